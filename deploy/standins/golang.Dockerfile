FROM debian:bookworm-slim
COPY goroot /usr/local/go
COPY mod /go/pkg/mod
ENV GOPATH=/go PATH=/usr/local/go/bin:/go/bin:$PATH
