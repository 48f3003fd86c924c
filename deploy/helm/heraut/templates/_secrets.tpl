{{/* What fetches the Secret of a service or a job: its own keys, and no others. */}}
{{- define "heraut.externalSecret" -}}
{{- $external := .root.Values.secrets.external -}}
apiVersion: {{ $external.apiVersion }}
kind: ExternalSecret
metadata:
  name: {{ .full }}
  labels: {{- include "heraut.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
  {{- with .annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  refreshInterval: {{ $external.refresh }}
  secretStoreRef:
    name: {{ required "secrets.external.store.name: where the secrets are" $external.store.name }}
    kind: {{ $external.store.kind }}
  target: {name: {{ .secret | default (printf "%s-files" .full) }}, creationPolicy: Owner}
  data:
    {{- range .keys }}
    - secretKey: {{ . }}
      remoteRef: {key: {{ $external.prefix }}{{ . }}}
    {{- end }}
{{- end -}}

{{/* The keys of its own Secret that a service or a job has. */}}
{{- define "heraut.ownKeys" -}}
{{- range include "heraut.secretFiles" . | fromYamlArray }}
{{- if .own }}
- {{ .key }}
{{- end }}
{{- end }}
{{- end -}}
