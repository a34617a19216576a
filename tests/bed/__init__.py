"""The test bed: real servers on loopback, each started and ended by the tests that need it.

Look here first:
    paths          versions, the cache folder, where built things are
    build          fills the cache (`python -m tests.bed build`)
    missing        what this machine lacks, with reasons (`python -m tests.bed missing`)
    kube           a real API server with etcd
    elasticsearch  real nodes and clusters of them
    link           two clusters joined by a cross-cluster API key, and a way to force fresh connections
    sshd           one OpenSSH server per host
    systemd        a real systemd in a world of its own; sudo_hosts: hosts in it, with a plain login and sudo
    systemd_cluster  Elasticsearch nodes as its units, laid out as the packages do
    authority      a private CA for a cluster's own layers
    waiting        waiting for a thing, never for a time
    pytest_plugin  fixtures, skips with reasons, SYNCD_BED=require
"""
