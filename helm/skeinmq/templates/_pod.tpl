{{/* Parts of the broker's pod. */}}

{{- define "skeinmq.spread" -}}
{{- if .Values.topologySpreadConstraints -}}
{{- toYaml .Values.topologySpreadConstraints -}}
{{- else -}}
{{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- topologyKey: {{ $key }}
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels: {{- include "skeinmq.selector" $ | nindent 6 }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "skeinmq.env" -}}
- name: SKEINMQ_NODE_ID
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- if .Values.cluster.enabled }}
- name: SKEINMQ_CLUSTER_ADVERTISE
  value: $(SKEINMQ_NODE_ID).{{ include "skeinmq.peers" . }}.{{ include "skeinmq.domain" . }}:{{ .Values.cluster.port }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "skeinmq.ports" -}}
{{- range $name, $listener := .Values.listeners }}
{{- if $listener.enabled }}
- {name: {{ $name }}, containerPort: {{ $listener.port }}}
{{- end }}
{{- end }}
{{- if .Values.cluster.enabled }}
- {name: cluster, containerPort: {{ .Values.cluster.port }}}
{{- end }}
- {name: admin, containerPort: {{ .Values.admin.port }}}
{{- end -}}

{{/* Names of Secrets by the folder below /etc/skeinmq that they are mounted at, as JSON. */}}
{{- define "skeinmq.secretMounts" -}}
{{- $mounts := dict "admin" (include "skeinmq.adminSecret" .) -}}
{{- if .Values.auth.enabled }}{{ $_ := set $mounts "auth" (include "skeinmq.authSecret" .) }}{{ end -}}
{{- if include "skeinmq.clientTlsWanted" . }}{{ $_ := set $mounts "client-tls" (include "skeinmq.clientTlsSecret" .) }}{{ end -}}
{{- if .Values.cluster.enabled -}}
{{- if ne .Values.internalTls.mode "off" }}{{ $_ := set $mounts "node-tls" (include "skeinmq.nodeTlsSecret" .) }}{{ end -}}
{{- if not .Values.etcd.enabled -}}
{{- with .Values.etcd.external.tlsSecret }}{{ $_ := set $mounts "etcd-tls" . }}{{ end -}}
{{- with .Values.etcd.external.passwordSecret }}{{ $_ := set $mounts "etcd-password" . }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $mounts | toJson -}}
{{- end -}}

{{- define "skeinmq.mounts" -}}
- {name: data, mountPath: /var/lib/skeinmq}
- {name: tmp, mountPath: /tmp}
- {name: config, mountPath: /etc/skeinmq/config, readOnly: true}
{{- range $folder, $secret := include "skeinmq.secretMounts" . | fromJson }}
- {name: {{ $folder }}, mountPath: /etc/skeinmq/{{ $folder }}, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "skeinmq.volumes" -}}
- name: tmp
  emptyDir: {}
- name: config
  configMap: {name: {{ include "skeinmq.fullname" . }}}
{{- range $folder, $secret := include "skeinmq.secretMounts" . | fromJson }}
- name: {{ $folder }}
  secret: {secretName: {{ $secret }}, defaultMode: 0440}
{{- end }}
{{- if not .Values.persistence.enabled }}
- name: data
  emptyDir: {}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "skeinmq.storageClass" -}}
{{- if eq . "-" }}storageClassName: ""{{ else if . }}storageClassName: {{ . }}{{ end -}}
{{- end -}}
