{{/* The port at which mails that came back are heard, where a setting names one. */}}
{{- define "heraut.bouncesPort" -}}
{{- with .given.settings }}{{ with .HERAUT_BOUNCES_LISTEN }}{{ splitList ":" . | last }}{{ end }}{{ end -}}
{{- end -}}

{{- define "heraut.deployment" -}}
{{- $root := .root -}}
{{- $alone := and .is.volumes (eq $root.Values.print.accessMode "ReadWriteOnce") -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .full }}
  labels: {{- include "heraut.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
spec:
  {{- if not .scaled }}
  replicas: {{ .given.replicas }}
  {{- end }}
  # A volume that one node may write to is let go before the next pod takes it. Else the new one comes first: partitions
  # move to whoever is there, and what a process leaves is taken on by the next owner.
  strategy: {{ if $alone }}{type: Recreate}{{ else }}{type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}{{ end }}
  selector:
    matchLabels: {{- include "heraut.selector" $root | nindent 6 }}
      app.kubernetes.io/component: {{ .name }}
  template:
    metadata:
      labels: {{- include "heraut.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .name }}
      {{- with .given.podAnnotations }}
      annotations: {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "heraut.fullname" $root }}
      {{- include "heraut.podSecurity" $root | nindent 6 }}
      # Longer than HERAUT_DRAIN_TIMEOUT, so that a drain is never cut off.
      terminationGracePeriodSeconds: {{ .is.stopSeconds }}
      {{- with include "heraut.scheduling" . | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      topologySpreadConstraints:
        {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
        - maxSkew: 1
          topologyKey: {{ . }}
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{- include "heraut.selector" $root | nindent 14 }}
              app.kubernetes.io/component: {{ $.name }}
        {{- end }}
      containers:
        - name: {{ .name }}
          image: {{ include "heraut.image" $root }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          args: {{ toJson .is.command }}
          env: {{- include "heraut.environment" . | trim | nindent 12 }}
          ports:
            - {name: http, containerPort: 8080}
            {{- with include "heraut.bouncesPort" . }}
            - {name: bounces, containerPort: {{ . }}}
            {{- end }}
          # Whether its loop turns, and no more: a database that is away is no reason to start anything again.
          livenessProbe:
            httpGet: {path: /livez, port: http, scheme: HTTPS}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet: {path: /readyz, port: http, scheme: HTTPS}
            periodSeconds: 5
            timeoutSeconds: 5
          # A first start waits for the database and the log; it takes seconds where they are there.
          startupProbe:
            httpGet: {path: /livez, port: http, scheme: HTTPS}
            periodSeconds: 2
            timeoutSeconds: 5
            failureThreshold: 90
          resources:
            requests: {{- toYaml .given.resources.requests | nindent 14 }}
            limits: {{- toYaml (merge (.given.resources.limits | default dict | deepCopy) (dict "memory" .is.memory)) | nindent 14 }}
          securityContext: {{- include "heraut.containerSecurity" $root | nindent 12 }}
          volumeMounts: {{- include "heraut.secretMounts" . | trim | nindent 12 }}
            - {name: tmp, mountPath: /tmp}
            {{- range $volume, $path := .is.volumes }}
            - {name: {{ $volume }}, mountPath: {{ $path }}}
            {{- end }}
      volumes: {{- include "heraut.secretVolumes" . | trim | nindent 8 }}
        - name: tmp
          emptyDir: {sizeLimit: 256Mi}
        {{- range $volume, $path := .is.volumes }}
        - name: {{ $volume }}
          persistentVolumeClaim: {claimName: {{ $root.Values.print.existingClaim | default (printf "%s-%s" (include "heraut.fullname" $root) $volume) }}}
        {{- end }}
{{- end -}}

{{- define "heraut.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .full }}
  labels: {{- include "heraut.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
    heraut/room: {{ .is.room }}
spec:
  selector: {{- include "heraut.selector" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
  ports:
    - {name: http, port: 8080, targetPort: http}
    {{- with include "heraut.bouncesPort" . }}
    - {name: bounces, port: 25, targetPort: bounces}
    {{- end }}
{{- end -}}

{{/* One at a time goes on purpose: its partitions are with another within a lease. */}}
{{- define "heraut.disruption" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .full }}
  labels: {{- include "heraut.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels: {{- include "heraut.selector" .root | nindent 6 }}
      app.kubernetes.io/component: {{ .name }}
{{- end -}}

{{- define "heraut.claim" -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ include "heraut.fullname" .root }}-{{ .volume }}
  labels: {{- include "heraut.labels" .root | nindent 4 }}
  annotations: {helm.sh/resource-policy: keep} # letters that nobody fetched yet
spec:
  accessModes: [{{ .root.Values.print.accessMode }}]
  {{- with .root.Values.print.storageClass }}
  storageClassName: {{ . }}
  {{- end }}
  resources: {requests: {storage: {{ .root.Values.print.size }}}}
{{- end -}}

{{- define "heraut.certificate" -}}
{{- $namespace := .root.Release.Namespace -}}
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  name: {{ .full }}
  labels: {{- include "heraut.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
spec:
  secretName: {{ .full }}-tls
  privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Always}
  dnsNames: [{{ .full }}, {{ .full }}.{{ $namespace }}.svc, localhost]
  issuerRef: {{- toYaml .root.Values.certificates.issuer | nindent 4 }}
{{- end -}}
