{{/* Along which ways a service or a job may reach and be reached: those of the networks that compose puts it in. */}}
{{- define "heraut.policy" -}}
{{- $values := .root.Values -}}
{{- $networks := .is.networks -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .full }}
  labels: {{- include "heraut.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
spec:
  podSelector:
    matchLabels: {{- include "heraut.selector" .root | nindent 6 }}
      app.kubernetes.io/component: {{ .name }}
  policyTypes: [Ingress, Egress]
  {{- $callers := list }}
  {{- if and (has "watch" $networks) $values.network.watch }}
  {{- $callers = concat $callers $values.network.watch }}
  {{- end }}
  {{- if and (has "front" $networks) $values.network.front }}
  {{- $callers = concat $callers $values.network.front }}
  {{- end }}
  {{- $bounces := include "heraut.bouncesPort" . }}
  {{- if or $callers (and $bounces $values.network.front) }}
  ingress:
    {{- with $callers }}
    - from: {{- toYaml . | nindent 8 }}
      ports: [{protocol: TCP, port: 8080}]
    {{- end }}
    {{- if and $bounces $values.network.front }}
    - from: {{- toYaml $values.network.front | nindent 8 }}
      ports: [{protocol: TCP, port: {{ $bounces }}}]
    {{- end }}
  {{- else }}
  ingress: []
  {{- end }}
  egress:
    {{- include "heraut.names" . | nindent 4 }}
    {{- if has "data" $networks }}
    {{- include "heraut.way" (dict "to" $values.database.to "ports" (list $values.database.port)) | nindent 4 }}
    {{- if eq $values.log "kafka" }}
    {{- include "heraut.way" (dict "to" $values.kafka.to "ports" $values.kafka.ports) | nindent 4 }}
    {{- end }}
    {{- end }}
    {{- if has "out" $networks }}
    {{- include "heraut.way" $values.network.out | nindent 4 }}
    {{- end }}
    {{- if $values.settings.HERAUT_AUTH_OIDC_ISSUER }}
    {{- include "heraut.way" $values.network.identity | nindent 4 }}
    {{- end }}
    {{- if $values.settings.HERAUT_OTLP_URL }}
    {{- include "heraut.way" $values.network.traces | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "heraut.names" -}}
- to: {{- toYaml .root.Values.network.names | nindent 4 }}
  ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
{{- end -}}

{{/* To some ports of some peers; of anybody, where no peer is named. */}}
{{- define "heraut.way" -}}
- ports:
    {{- range .ports }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
  {{- with .to }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
