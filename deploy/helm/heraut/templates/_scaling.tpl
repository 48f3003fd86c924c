{{/* How long the oldest that waits for this service has waited, in seconds. */}}
{{- define "heraut.lag" -}}
{{- printf "%s_oldest_unprocessed_seconds" .is.room -}}
{{- end -}}

{{- define "heraut.hpa" -}}
{{- $scaling := .root.Values.autoscaling -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ .full }}
  labels: {{- include "heraut.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ .full }}}
  minReplicas: {{ .given.replicas }}
  maxReplicas: {{ $scaling.maxReplicas }}
  metrics:
    - type: Pods
      pods:
        metric: {name: {{ include "heraut.lag" . }}}
        target: {type: AverageValue, averageValue: {{ $scaling.lagSeconds | quote }}}
  behavior: {{- include "heraut.calm" .root | nindent 4 }}
{{- end -}}

{{- define "heraut.keda" -}}
{{- $scaling := .root.Values.autoscaling -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ .full }}
  labels: {{- include "heraut.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
spec:
  scaleTargetRef: {name: {{ .full }}}
  minReplicaCount: {{ .given.replicas }}
  maxReplicaCount: {{ $scaling.maxReplicas }}
  # Without figures nothing changes: who is blind does not send anybody home.
  fallback: {failureThreshold: 3, replicas: {{ .given.replicas }}, behavior: currentReplicasIfHigher}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior: {{- include "heraut.calm" .root | nindent 8 }}
  triggers:
    - type: prometheus
      metricType: Value
      metadata:
        serverAddress: {{ required "autoscaling.prometheus: keda needs its address" $scaling.prometheus | quote }}
        query: max({{ include "heraut.lag" . }}{namespace="{{ .root.Release.Namespace }}",service="{{ .full }}"})
        threshold: {{ $scaling.lagSeconds | quote }}
{{- end -}}

{{- define "heraut.calm" -}}
scaleUp:
  stabilizationWindowSeconds: 60
  policies: [{type: Pods, value: 2, periodSeconds: 60}]
scaleDown:
  stabilizationWindowSeconds: {{ .Values.autoscaling.calmSeconds }}
  policies: [{type: Pods, value: 1, periodSeconds: 300}]
{{- end -}}
