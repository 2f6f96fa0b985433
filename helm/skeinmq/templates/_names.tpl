{{/* Names, labels and images. */}}

{{- define "skeinmq.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 45 | trimSuffix "-" -}}
{{- end -}}

{{- define "skeinmq.peers" -}}{{ include "skeinmq.fullname" . }}-peers{{- end -}}
{{- define "skeinmq.etcd" -}}{{ include "skeinmq.fullname" . }}-etcd{{- end -}}

{{- define "skeinmq.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: {{ .component | default "broker" }}
{{- end -}}

{{- define "skeinmq.etcdSelector" -}}
{{ include "skeinmq.selector" (dict "component" "etcd" "Values" .Values "Release" .Release "Chart" .Chart) }}
{{- end -}}

{{- define "skeinmq.labels" -}}
{{ include "skeinmq.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "skeinmq.etcdLabels" -}}
{{ include "skeinmq.labels" (dict "component" "etcd" "Values" .Values "Release" .Release "Chart" .Chart) }}
{{- end -}}

{{/* An image, by tag or digest: (dict "image" ... "tag" "what it is by default") */}}
{{- define "skeinmq.image" -}}
{{- with .image.registry }}{{ . }}/{{ end -}}
{{- .image.repository -}}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ default .tag .image.tag }}{{ end -}}
{{- end -}}

{{- define "skeinmq.serviceAccount" -}}
{{- $own := ternary (include "skeinmq.fullname" .) "default" .Values.serviceAccount.create -}}
{{- default $own .Values.serviceAccount.name -}}
{{- end -}}

{{- define "skeinmq.authSecret" -}}
{{- default (printf "%s-auth" (include "skeinmq.fullname" .)) .Values.auth.existingSecret -}}
{{- end -}}

{{- define "skeinmq.adminSecret" -}}
{{- default (printf "%s-admin" (include "skeinmq.fullname" .)) .Values.admin.existingSecret -}}
{{- end -}}

{{- define "skeinmq.nodeTlsSecret" -}}
{{- default (printf "%s-node-tls" (include "skeinmq.fullname" .)) .Values.internalTls.nodeSecret -}}
{{- end -}}

{{- define "skeinmq.etcdTlsSecret" -}}
{{- default (printf "%s-etcd-tls" (include "skeinmq.fullname" .)) .Values.internalTls.etcdSecret -}}
{{- end -}}

{{- define "skeinmq.clientTlsSecret" -}}
{{- default (printf "%s-client-tls" (include "skeinmq.fullname" .)) .Values.clientTls.existingSecret -}}
{{- end -}}

{{/* Hosts behind a headless service, as `name-0.service.namespace.svc.domain`. */}}
{{- define "skeinmq.domain" -}}{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}{{- end -}}

{{- define "skeinmq.bundledEtcd" -}}
{{- if and .Values.cluster.enabled .Values.etcd.enabled }}true{{ end -}}
{{- end -}}

{{- define "skeinmq.clientTlsWanted" -}}
{{- range .Values.listeners }}{{ if and .enabled (has .scheme (list "tls" "wss")) }}true{{ end }}{{ end -}}
{{- end -}}
