{{/* `job` is the room, as the rules and dashboards have it. */}}
{{- define "heraut.monitor" -}}
{{- $root := .root -}}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ .full }}
  labels: {{- include "heraut.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
    {{- with $root.Values.monitoring.labels }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  jobLabel: heraut/room
  selector:
    matchLabels: {{- include "heraut.selector" $root | nindent 6 }}
      app.kubernetes.io/component: {{ .name }}
  endpoints:
    - port: http
      scheme: https
      interval: {{ $root.Values.monitoring.interval }}
      # Its principal's token: figures name incidents before they are public.
      authorization:
        credentials: {name: {{ include "heraut.fullname" $root }}-scrape, key: scrape_token}
      tlsConfig:
        serverName: {{ .full }}
        ca: {secret: {name: {{ include "heraut.fullname" $root }}-scrape, key: authority}}
{{- end -}}
