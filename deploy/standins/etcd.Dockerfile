FROM scratch
COPY etcd etcdctl /usr/local/bin/
CMD ["/usr/local/bin/etcd"]
