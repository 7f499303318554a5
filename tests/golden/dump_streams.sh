#!/bin/sh
# Prints tests/golden/streams.txt: what the command line tools of the compression libraries make of 70000 times the letter f,
# in forms that our own writers never use.
set -e
plain=$(mktemp)
trap 'rm -f "$plain"' EXIT
head -c 70000 /dev/zero | tr '\0' f > "$plain"
touch -d @1700000000 "$plain"

stream() { # codec, name, command that reads the file $plain
    codec=$1 name=$2
    shift 2
    echo "stream $codec $name $("$@" | od -An -v -tx1 | tr -d ' \n')"
}

echo "# gzip $(gzip --version | sed -n '1s/.* //p'), lz4 $(lz4 --version | sed -n 's/.* v\([0-9.]*\),.*/\1/p'), zstd $(zstd --version | sed -n 's/.* v\([0-9.]*\),.*/\1/p'), run by tests/golden/dump_streams.sh"
stream gzip from-a-pipe sh -c "gzip -c1 < '$plain'"
stream gzip with-name-and-time sh -c "gzip -cN '$plain' | sed 's/tmp\.[A-Za-z0-9]*/file/'"
stream lz4 linked-blocks lz4 -12 -B4 -BD -c "$plain"
stream lz4 linked-blocks-no-checksum lz4 -12 -B4 -BD --no-frame-crc -c "$plain"
stream lz4 content-size lz4 -12 -B4 -BI --content-size -c "$plain"
stream lz4 block-checksums lz4 -12 -B4 -BX -c "$plain"
stream lz4 blocks-of-4-mib lz4 -12 -B7 -c "$plain"
stream lz4-legacy legacy lz4 -l -c "$plain"
stream zstd content-size zstd -c "$plain"
stream zstd no-checksum zstd --no-check -c "$plain"
stream zstd from-a-pipe sh -c "zstd -c < '$plain'"
stream zstd long-window sh -c "zstd --long=27 -c < '$plain'"
stream zstd-refused longer-window sh -c "zstd --long=28 --ultra -c < '$plain'"
