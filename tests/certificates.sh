#!/bin/sh
# Makes the certificates that tests need, in the directory given: for each NAME a NAME.pem (certificate) and NAME.key.
#
#   ca         the root that tests trust          other-ca    a root that nobody trusts
#   server     localhost, 127.0.0.1, ::1           unknown     as server, issued by other-ca
#   expired    as server, ended in 2021            notyet      as server, begins in 2090
#   selfsigned as server, signed by itself         wrongname   elsewhere.example and 192.0.2.1 only
#   client     common name "greenhouse-7"          server-chain.pem, client-other (issued by other-ca)
set -eu
directory=$1
mkdir -p "$directory"
cd "$directory"
here="DNS:localhost,IP:127.0.0.1,IP:::1"

# The `ca` command is used, since OpenSSL 3.0's `x509` cannot set the dates of a certificate.
cat >openssl.cnf <<END
[ca]
default_ca = one
[one]
dir = .
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
default_days = 36500
policy = any
unique_subject = no
copy_extensions = copy
[any]
commonName = supplied
[req]
distinguished_name = name
prompt = no
[name]
commonName = nobody
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
END
: >index.txt
echo 1000 >serial

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key" 2>/dev/null; }

root() { # NAME
    key "$1"
    openssl req -config openssl.cnf -new -x509 -key "$1.key" -subj "/CN=$1" -days 36500 \
        -extensions root -out "$1.pem"
}

issue() { # NAME ISSUER COMMON-NAME ALTERNATIVE-NAMES [DATES...]
    name=$1 issuer=$2 common=$3 names=$4
    shift 4
    key "$name"
    openssl req -config openssl.cnf -new -key "$name.key" -subj "/CN=$common" \
        ${names:+-addext "subjectAltName=$names"} -out "$name.csr"
    openssl ca -config openssl.cnf -batch -notext -cert "$issuer.pem" -keyfile "$issuer.key" \
        -in "$name.csr" -out "$name.pem" "$@" 2>ca.log || { cat ca.log >&2; exit 1; }
    rm "$name.csr"
}

root ca
root other-ca
issue server ca localhost "$here"
issue unknown other-ca localhost "$here"
issue expired ca localhost "$here" -startdate 20200101000000Z -enddate 20210101000000Z
issue notyet ca localhost "$here" -startdate 20900101000000Z -enddate 20950101000000Z
issue wrongname ca elsewhere.example "DNS:elsewhere.example,IP:192.0.2.1"
issue client ca greenhouse-7 ""
issue client-other other-ca greenhouse-8 ""
key selfsigned
openssl req -config openssl.cnf -new -x509 -key selfsigned.key -subj "/CN=localhost" -days 36500 \
    -addext "subjectAltName=$here" -out selfsigned.pem
cat server.pem ca.pem >server-chain.pem
rm -f 1???.pem ca.log openssl.cnf index.txt* serial*
