FROM session-manager-standin:debian
COPY . /
ENV GOPATH=/go GOTOOLCHAIN=local GOPROXY=off PATH=/usr/local/go/bin:/go/bin:$PATH
# Modules are unpacked, and compiled, on the disk rather than through Docker's file system.
VOLUME /go /root/.cache /tmp
