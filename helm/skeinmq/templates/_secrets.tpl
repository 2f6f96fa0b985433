{{/* What is made at the first install and kept over upgrades: a value of a Secret that is there, or a new one. */}}

{{/* (dict "root" $ "secret" NAME "key" KEY "given" VALUE "length" N): the value, in the clear. */}}
{{- define "skeinmq.kept" -}}
{{- $there := lookup "v1" "Secret" .root.Release.Namespace .secret -}}
{{- if .given -}}
{{- .given -}}
{{- else if and $there (hasKey ($there.data | default dict) .key) -}}
{{- index $there.data .key | b64dec -}}
{{- else -}}
{{- randAlphaNum (.length | int) -}}
{{- end -}}
{{- end -}}

{{/* 128 hexadecimal digits, as sha512sum gives them, in base64: three digits are two characters. */}}
{{- define "skeinmq.hexToBase64" -}}
{{- $digits := dict -}}
{{- range $value, $digit := splitList " " "0 1 2 3 4 5 6 7 8 9 a b c d e f" }}{{ $_ := set $digits $digit $value }}{{ end -}}
{{- $letters := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" -}}
{{- $hex := . -}}
{{- range $group := until 43 -}}
{{- $bits := 0 -}}
{{- range $digit := until 3 -}}
{{- $at := add (mul $group 3) $digit | int -}}
{{- $value := 0 -}}
{{- if lt $at 128 }}{{ $value = get $digits (substr $at (int (add $at 1)) $hex) }}{{ end -}}
{{- $bits = add (mul $bits 16) $value -}}
{{- end -}}
{{- $high := div $bits 64 | int -}}
{{- $low := mod $bits 64 | int -}}
{{- substr $high (int (add $high 1)) $letters -}}
{{- substr $low (int (add $low 1)) $letters -}}
{{- end -}}
==
{{- end -}}

{{/*
A line of a password file: (dict "user" U "password" P). `$6$` is one round of SHA-512. The password lies in the same Secret in the clear,
so a slow hash would protect nothing here. The salt follows from the password, which is random: the line is the same at every upgrade.
*/}}
{{- define "skeinmq.passwordLine" -}}
{{- $salt := printf "%s/%s" .user .password | sha256sum | trunc 16 -}}
{{- $hash := include "skeinmq.hexToBase64" (printf "%s%s" .password $salt | sha512sum) -}}
{{- printf "%s:$6$%s$%s" .user ($salt | b64enc) $hash -}}
{{- end -}}

{{/* DNS names in the certificate of nodes, as a list in JSON. A node is known by its pod's name. */}}
{{- define "skeinmq.nodeNames" -}}
{{- $full := include "skeinmq.fullname" . -}}
{{- $host := printf "%s.%s" (include "skeinmq.peers" .) (include "skeinmq.domain" .) -}}
{{- $names := list -}}
{{- range $i := until (int .Values.cluster.maxReplicas) -}}
{{- $names = append $names (printf "%s-%d" $full $i) -}}
{{- end -}}
{{- append $names (printf "*.%s" $host) | toJson -}}
{{- end -}}

{{/* The same for etcd. Each member is named: etcd looks the names up to see whether a peer's address is one of theirs. */}}
{{- define "skeinmq.etcdNames" -}}
{{- $etcd := include "skeinmq.etcd" . -}}
{{- $names := list "localhost" -}}
{{- range $i := until (int .Values.etcd.members) -}}
{{- $names = append $names (printf "%s-%d.%s.%s" $etcd $i $etcd (include "skeinmq.domain" $)) -}}
{{- end -}}
{{- $names | toJson -}}
{{- end -}}

{{/*
The data of a certificate's Secret: (dict "root" $ "secret" NAME "names" JSON "ca" CA). It is kept as long as its names and its authority are
the same.
*/}}
{{- define "skeinmq.certificate" -}}
{{- $there := lookup "v1" "Secret" .root.Release.Namespace .secret -}}
{{- $mark := printf "%s%s" .names .ca.Cert | sha256sum | trunc 32 -}}
{{- $data := dict -}}
{{- if and $there (eq $mark (dig "metadata" "annotations" "skeinmq/made-for" "" $there)) -}}
{{- $data = $there.data -}}
{{- else -}}
{{- $made := genSignedCertWithKey .secret (list "127.0.0.1") (fromJsonArray .names) 3650 .ca (genPrivateKey "ecdsa") -}}
{{- $data = dict "ca.crt" (.ca.Cert | b64enc) "tls.crt" ($made.Cert | b64enc) "tls.key" ($made.Key | b64enc) -}}
{{- end -}}
{{- dict "mark" $mark "data" $data | toJson -}}
{{- end -}}
