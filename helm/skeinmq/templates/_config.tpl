{{/* The broker's configuration file, and what cannot be. */}}

{{- define "skeinmq.check" -}}
{{- $values := .Values -}}
{{- if gt (int $values.replicaCount) (int $values.cluster.maxReplicas) -}}
{{- fail (printf "replicaCount %v is more than cluster.maxReplicas %v" $values.replicaCount $values.cluster.maxReplicas) -}}
{{- end -}}
{{- if and (not $values.cluster.enabled) (gt (int $values.replicaCount) 1) -}}
{{- fail "replicaCount: without a cluster (cluster.enabled: false) there is one node" -}}
{{- end -}}
{{- if and $values.cluster.enabled (not $values.etcd.enabled) (not $values.etcd.external.endpoints) -}}
{{- fail "etcd.external.endpoints: name an etcd, or let the chart bring one (etcd.enabled: true)" -}}
{{- end -}}
{{- if and (eq $values.internalTls.mode "existing") (not $values.internalTls.nodeSecret) -}}
{{- fail "internalTls.nodeSecret: needed with internalTls.mode: existing" -}}
{{- end -}}
{{- if and (eq $values.internalTls.mode "existing") (include "skeinmq.bundledEtcd" .) (not $values.internalTls.etcdSecret) -}}
{{- fail "internalTls.etcdSecret: needed with internalTls.mode: existing" -}}
{{- end -}}
{{- if lt (int $values.drain.terminationGracePeriodSeconds) (int (add $values.drain.seconds 45)) -}}
{{- fail "drain.terminationGracePeriodSeconds: at least 45 more than drain.seconds" -}}
{{- end -}}
{{- if and (include "skeinmq.clientTlsWanted" .) (not $values.clientTls.existingSecret) (not $values.clientTls.certManager.enabled) -}}
{{- fail "clientTls: tls and wss listeners need existingSecret or certManager" -}}
{{- end -}}
{{- end -}}

{{/* Endpoints of etcd, joined by commas. */}}
{{- define "skeinmq.etcdEndpoints" -}}
{{- if .Values.etcd.enabled -}}
{{- $etcd := include "skeinmq.etcd" . -}}
{{- $scheme := ternary "http" "https" (eq .Values.internalTls.mode "off") -}}
{{- $urls := list -}}
{{- range $i := until (int .Values.etcd.members) -}}
{{- $urls = append $urls (printf "%s://%s-%d.%s.%s:2379" $scheme $etcd $i $etcd (include "skeinmq.domain" $)) -}}
{{- end -}}
{{- join "," $urls -}}
{{- else -}}
{{- join "," .Values.etcd.external.endpoints -}}
{{- end -}}
{{- end -}}

{{- define "skeinmq.clusterConfig" -}}
name: {{ default (include "skeinmq.fullname" .) .Values.cluster.name }}
listen: 0.0.0.0:{{ .Values.cluster.port }}
etcd: {{ include "skeinmq.etcdEndpoints" . }}
drain_timeout_ms: 30s
{{- if ne .Values.internalTls.mode "off" }}
ca_file: /etc/skeinmq/node-tls/ca.crt
cert_file: /etc/skeinmq/node-tls/tls.crt
key_file: /etc/skeinmq/node-tls/tls.key
{{- end }}
{{- if and .Values.etcd.enabled (ne .Values.internalTls.mode "off") }}
etcd_ca_file: /etc/skeinmq/node-tls/ca.crt
etcd_cert_file: /etc/skeinmq/node-tls/tls.crt
etcd_key_file: /etc/skeinmq/node-tls/tls.key
{{- else if and (not .Values.etcd.enabled) .Values.etcd.external.tlsSecret }}
etcd_ca_file: /etc/skeinmq/etcd-tls/ca.crt
{{- if .Values.etcd.external.clientCertificate }}
etcd_cert_file: /etc/skeinmq/etcd-tls/tls.crt
etcd_key_file: /etc/skeinmq/etcd-tls/tls.key
{{- end }}
{{- end }}
{{- if and (not .Values.etcd.enabled) .Values.etcd.external.user }}
etcd_user: {{ .Values.etcd.external.user }}
etcd_password_file: /etc/skeinmq/etcd-password/password
{{- end }}
{{- end -}}

{{/* One listener as the broker wants it: (dict "root" $ "name" NAME "listener" FIELDS) */}}
{{- define "skeinmq.listener" -}}
{{- $asked := list -}}
{{- if .root.Values.auth.enabled }}{{ $asked = append $asked "users" }}{{ end -}}
{{- range .root.Values.auth.authenticators }}{{ $asked = append $asked .name }}{{ end -}}
{{- if hasKey .listener "authentication" }}{{ $asked = .listener.authentication }}{{ end -}}
{{- $made := dict "name" .name "url" (printf "%s://0.0.0.0:%v" .listener.scheme .listener.port) -}}
{{- if $asked }}{{ $_ := set $made "authentication" $asked }}{{ end -}}
{{- if has .listener.scheme (list "tls" "wss") -}}
{{- $_ := set $made "cert_file" "/etc/skeinmq/client-tls/tls.crt" -}}
{{- $_ := set $made "key_file" "/etc/skeinmq/client-tls/tls.key" -}}
{{- end -}}
{{- mustMergeOverwrite $made (.listener.options | default dict) | toJson -}}
{{- end -}}

{{- define "skeinmq.config" -}}
{{- $made := dict -}}
{{- if .Values.persistence.enabled }}{{ $_ := set $made "data_dir" "/var/lib/skeinmq" }}{{ end -}}
{{- $_ := set $made "admin" (dict "listen" (printf "0.0.0.0:%v" .Values.admin.port) "token_file" "/etc/skeinmq/admin/token") -}}
{{- if .Values.cluster.enabled }}{{ $_ := set $made "cluster" (include "skeinmq.clusterConfig" . | fromYaml) }}{{ end -}}
{{- $listeners := list -}}
{{- range $name, $listener := .Values.listeners -}}
{{- if $listener.enabled -}}
{{- $listeners = append $listeners (include "skeinmq.listener" (dict "root" $ "name" $name "listener" $listener) | fromJson) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $made "listeners" $listeners -}}
{{- $authenticators := .Values.auth.authenticators -}}
{{- if .Values.auth.enabled -}}
{{- $authenticators = prepend $authenticators (dict "name" "users" "type" "password_file" "file" "/etc/skeinmq/auth/users.txt") -}}
{{- end -}}
{{- if $authenticators }}{{ $_ := set $made "authentication" $authenticators }}{{ end -}}
{{- if .Values.auth.rules -}}
{{- $_ := set $made "authorization" (dict "file" "/etc/skeinmq/config/acl.yaml") -}}
{{- else if $authenticators -}}
{{- $_ := set $made "authorization" (dict "allow_without_rules" true) -}}
{{- end -}}
{{- mustMergeOverwrite $made (deepCopy .Values.config) | toYaml -}}
{{- end -}}
