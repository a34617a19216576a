"""The test bed: real servers on loopback, each started and ended by the tests that need it.

Look here first:
    paths          versions, the cache folder, where built things are
    build          fills the cache (`python -m tests.bed build`)
    missing        what this machine lacks, with reasons (`python -m tests.bed missing`)
    processes      deadlines, free ports, and processes that end by their own id
    kube           a real API server with etcd
    elasticsearch  real nodes and clusters of them
    sshd           one OpenSSH server per 'host'
    pki, eck       certificates as ECK makes them, published as ECK publishes them
    proxy, link    two clusters joined by a cross-cluster API key, and a way to force fresh connections
    pytest_plugin  fixtures, skips with reasons, SYNCD_BED=require
"""
