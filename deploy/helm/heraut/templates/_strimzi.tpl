{{- define "heraut.strimziMeta" -}}
name: {{ .name }}
namespace: {{ .root.Values.kafka.strimzi.namespace | default .root.Release.Namespace }}
labels: {{- include "heraut.labels" .root | nindent 2 }}
  strimzi.io/cluster: {{ required "kafka.strimzi.cluster: the Kafka that has them" .root.Values.kafka.strimzi.cluster }}
{{- end -}}

{{- define "heraut.topic" -}}
apiVersion: kafka.strimzi.io/v1
kind: KafkaTopic
metadata: {{- include "heraut.strimziMeta" . | nindent 2 }}
  annotations: {helm.sh/resource-policy: keep} # what stands in it was acknowledged
spec:
  partitions: {{ .topic.partitions | default .root.Values.partitions }}
  replicas: {{ .root.Values.kafka.replication }}
  config: {{- toYaml .topic.config | nindent 4 }}
    min.insync.replicas: {{ .root.Values.kafka.minInSync }}
{{- end -}}

{{- define "heraut.kafkaUser" -}}
apiVersion: kafka.strimzi.io/v1
kind: KafkaUser
metadata: {{- include "heraut.strimziMeta" (dict "root" .root "name" .user) | nindent 2 }}
spec:
  authentication: {type: scram-sha-512}
  authorization:
    type: simple
    acls:
      {{- range .rights }}
      - resource: {type: {{ .type }}, name: {{ replace "{topic}" $.topic .name }}, patternType: literal}
        operations: {{ toJson .operations }}
        host: "*"
      {{- end }}
{{- end -}}
