"""What a node must have besides its trust files: the settings in elasticsearch.yml and the keystore's credential."""
