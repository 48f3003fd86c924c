{{/* What pods of ours have alike: no rights, no account of the cluster's, and files that the group of ours may read. */}}
{{- define "heraut.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "heraut.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* The environment of a service or a job: facts of its container, then settings; nothing of this is secret. */}}
{{- define "heraut.environment" -}}
{{- $root := .root -}}
{{- $env := dict "HERAUT_LOG" $root.Values.log "HERAUT_PARTITIONS" ($root.Values.partitions | toString) "HERAUT_HTTP_HOST" "0.0.0.0" -}}
{{- if eq $root.Values.log "kafka" -}}
{{- $kafka := $root.Values.kafka -}}
{{- $env = merge $env (dict "HERAUT_KAFKA_BOOTSTRAP_SERVERS" $kafka.bootstrapServers "HERAUT_KAFKA_SECURITY_PROTOCOL" $kafka.securityProtocol "HERAUT_KAFKA_SASL_MECHANISM" $kafka.saslMechanism) -}}
{{- end -}}
{{- range $name, $value := .is.environment -}}
{{- if or (eq $root.Values.log "kafka") (not (hasPrefix "HERAUT_KAFKA_" $name)) -}}
{{- $_ := set $env $name $value -}}
{{- end -}}
{{- end -}}
{{- if and (include "heraut.strimziHere" $root) (hasKey $env "HERAUT_KAFKA_SSL_CAFILE") -}}
{{- $_ := set $env "HERAUT_KAFKA_SSL_CAFILE" "/run/secrets/kafka_authority" -}}
{{- end -}}
{{- if and $root.Values.certificates.certManager (hasKey $env "HERAUT_TLS_CERT") -}}
{{- $_ := set $env "HERAUT_TLS_CERT" "/run/certificate/tls.crt" -}}
{{- $_ := set $env "HERAUT_TLS_KEY" "/run/certificate/tls.key" -}}
{{- end -}}
{{- range $name, $value := .more -}}
{{- $_ := set $env $name ($value | toString) -}}
{{- end -}}
{{- range $name, $value := $root.Values.settings -}}
{{- $_ := set $env $name ($value | toString) -}}
{{- end -}}
{{- with .given -}}
{{- range $name, $value := .settings -}}
{{- $_ := set $env $name ($value | toString) -}}
{{- end -}}
{{- range .secretSettings -}}
{{- $one := index $.is.secretSettings . -}}
{{- $_ := set $env $one.variable (printf "/run/secrets/%s" $one.key) -}}
{{- end -}}
{{- if .webhooks -}}
{{- $_ := set $env "HERAUT_WEBHOOKS_DIR" "/run/webhooks" -}}
{{- end -}}
{{- end -}}
{{- range $name, $value := $env }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end -}}

{{/* The secrets of a service or a job that are mounted: a list of {key, path, from, of}. */}}
{{- define "heraut.secretFiles" -}}
{{- $root := .root -}}
{{- range .is.secrets }}
{{- $brokers := hasPrefix "kafka_" .key }}
{{- if and $brokers (include "heraut.strimziHere" $root) }}
- {from: {{ .kafkaUser }}, key: password, path: {{ .path }}}
{{- else if and (hasPrefix "certificate_" .key) $root.Values.certificates.certManager }}
- {from: {{ $.full }}-tls, key: tls.crt, path: /run/certificate/tls.crt}
- {from: {{ $.full }}-tls, key: tls.key, path: /run/certificate/tls.key}
{{- else if or (not $brokers) (eq $root.Values.log "kafka") }}
- {from: {{ $.full }}-files, key: {{ .key }}, path: {{ .path }}, own: true}
{{- end }}
{{- end }}
{{- if and (include "heraut.strimziHere" $root) (hasKey .is.environment "HERAUT_KAFKA_SSL_CAFILE") }}
- {from: {{ $root.Values.kafka.strimzi.cluster }}-cluster-ca-cert, key: ca.crt, path: /run/secrets/kafka_authority}
{{- end }}
{{- with .given }}
{{- range .secretSettings }}
{{- $one := index $.is.secretSettings . }}
- {from: {{ $.full }}-files, key: {{ $one.key }}, path: /run/secrets/{{ $one.key }}, own: true}
{{- end }}
{{- range .webhooks }}
- {from: {{ $.full }}-files, key: webhook_{{ . }}, path: /run/webhooks/{{ . }}.json, own: true}
{{- end }}
{{- end }}
{{- end -}}

{{/* The folders that secrets are mounted in, each as one volume, so that what is renewed is seen. */}}
{{- define "heraut.secretVolumes" -}}
{{- $files := include "heraut.secretFiles" . | fromYamlArray -}}
{{- $folders := dict -}}
{{- range $files -}}
{{- $folder := dir .path -}}
{{- $_ := set $folders $folder (append (get $folders $folder | default list) .) -}}
{{- end -}}
{{- range $folder, $some := $folders }}
- name: {{ base $folder }}
  projected:
    defaultMode: 0440
    sources:
      {{- range $some }}
      - secret: {name: {{ .from }}, items: [{key: {{ .key }}, path: {{ base .path }}}]}
      {{- end }}
{{- end }}
{{- end -}}

{{- define "heraut.secretMounts" -}}
{{- $folders := dict -}}
{{- range include "heraut.secretFiles" . | fromYamlArray -}}
{{- $_ := set $folders (dir .path) true -}}
{{- end -}}
{{- range $folder, $_ := $folders }}
- {name: {{ base $folder }}, mountPath: {{ $folder }}, readOnly: true}
{{- end }}
{{- end -}}

{{/* Where pods go: away from each other, and where the installation says. */}}
{{- define "heraut.scheduling" -}}
{{- with .root.Values.scheduling.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.scheduling.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.scheduling.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}
