"""The test bed: real servers on loopback, each started and ended by the tests that need it.

Look here first:
    paths          versions, the cache folder, where built things are
    build          fills the cache (`python -m tests.bed build`)
    missing        what this machine lacks, with reasons (`python -m tests.bed missing`)
    kube           a real API server with etcd
    elasticsearch  real nodes and clusters of them
    link           two clusters joined by a cross-cluster API key, and a way to force fresh connections
    sshd           one OpenSSH server per host
    waiting        waiting for a thing, never for a time
    pytest_plugin  fixtures, skips with reasons, SYNCD_BED=require
"""
