#!/bin/sh
# Fails where the tests of a package cover less of its statements than they should.
#   coverage.sh PERCENT PACKAGE...
set -eu
want=$1
shift
go test -cover "$@" | awk -v want="$want" '
    { print }
    match($0, /coverage: [0-9.]+%/) {
        have = substr($0, RSTART + 10, RLENGTH - 11)
        if (have + 0 < want + 0) { print "coverage below " want "%: " $0; low = 1 }
        seen++
    }
    END { exit low || !seen }'
