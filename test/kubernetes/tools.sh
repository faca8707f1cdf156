#!/bin/sh
# Builds what the tests of Kubernetes use and Debian does not have, helm and a kube-apiserver, with Go alone, into FOLDER/bin.
# (etcd is Debian's: etcd-server.) Some minutes on two cores the first time. Usage: tools.sh FOLDER
set -eu
FOLDER=${1:?usage: $0 FOLDER}
HELM=3.19.0
KUBERNETES=1.34.4
STAGING=0.${KUBERNETES#*.}

mkdir -p "$FOLDER/bin" "$FOLDER/apiserver"
FOLDER=$(cd "$FOLDER" && pwd)
[ -x "$FOLDER/bin/helm" ] || GOBIN=$FOLDER/bin go install "helm.sh/helm/v3/cmd/helm@v$HELM"
[ -x "$FOLDER/bin/kube-apiserver" ] && exit 0

# k8s.io/kubernetes names its own libraries by folder; here they are the published ones of the same version.
cd "$FOLDER/apiserver"
source=$(go mod download -json "k8s.io/kubernetes@v$KUBERNETES" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
sed -e 's#^module .*#module own#' -e '/=> \.\/staging/d' "$source/go.mod" |
  sed -E "s#(k8s\.io/[a-z0-9-]+) v0\.0\.0( |\$)#\1 v$STAGING\2#" > go.mod
echo "require k8s.io/kubernetes v$KUBERNETES" >> go.mod
grep -oE "^[[:space:]]+k8s\.io/[a-z0-9-]+ v$STAGING" go.mod | awk '{ print "replace " $1 " => " $1 " " $2 }' >> go.mod
cp "$source/go.sum" . && chmod u+w go.sum
printf 'package main\n\nimport _ "k8s.io/kubernetes/cmd/kube-apiserver/app"\n\nfunc main() {}\n' > main.go
# Helm asks the server for its version, which only the linker can tell it.
version=k8s.io/component-base/version
GOFLAGS=-mod=mod go build -ldflags "-X $version.gitVersion=v$KUBERNETES -X $version.gitMajor=1 -X $version.gitMinor=$(echo "$KUBERNETES" | cut -d. -f2)" \
  -o "$FOLDER/bin/kube-apiserver" k8s.io/kubernetes/cmd/kube-apiserver
