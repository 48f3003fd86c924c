{{- define "heraut.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What selects the pods of the release. */}}
{{- define "heraut.selector" -}}
app.kubernetes.io/name: heraut
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "heraut.labels" -}}
{{ include "heraut.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* The tables that deploy/helm/catalogue.py makes. */}}
{{- define "heraut.catalogue" -}}
{{ .Files.Get "files/services.yaml" }}
{{- end -}}

{{/*
Everything that a part of a service needs: root (the release), name, is (its table), given (its values), full (the name
of its resources), part (its label).
*/}}
{{- define "heraut.image" -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- end -}}

{{/* Whether Strimzi's own Secrets can be mounted: they lie where its Kafka does. */}}
{{- define "heraut.strimziHere" -}}
{{- $namespace := .Values.kafka.strimzi.namespace | default .Release.Namespace -}}
{{- if and (eq .Values.log "kafka") (eq .Values.kafka.topics "strimzi") (eq $namespace .Release.Namespace) -}}yes{{- end -}}
{{- end -}}
