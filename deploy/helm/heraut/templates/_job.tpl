{{- define "heraut.job" -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .full }}{{ .step.suffix }}
  labels: {{- include "heraut.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
  annotations:
    helm.sh/hook: {{ .step.hooks }}
    helm.sh/hook-weight: {{ .step.weight | quote }}
    # It stays to be looked at until the next one.
    helm.sh/hook-delete-policy: before-hook-creation
spec:
  # All of it may be repeated: what is there is left alone.
  backoffLimit: 6
  activeDeadlineSeconds: 900
  template:
    metadata:
      labels: {{- include "heraut.labels" .root | nindent 8 }}
        app.kubernetes.io/component: {{ .name }}
    spec:
      restartPolicy: OnFailure
      {{- include "heraut.podSecurity" .root | nindent 6 }}
      {{- with include "heraut.scheduling" . | trim }}
      {{- . | nindent 6 }}
      {{- end }}
      containers:
        - name: {{ .name }}
          image: {{ include "heraut.image" .root }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          args: {{ concat .is.command .step.arguments | toJson }}
          env: {{- include "heraut.environment" . | trim | nindent 12 }}
          resources:
            requests: {cpu: 100m, memory: 128Mi}
            limits: {memory: 512Mi}
          securityContext: {{- include "heraut.containerSecurity" .root | nindent 12 }}
          volumeMounts: {{- include "heraut.secretMounts" . | trim | nindent 12 }}
            - {name: tmp, mountPath: /tmp}
      volumes: {{- include "heraut.secretVolumes" . | trim | nindent 8 }}
        - name: tmp
          emptyDir: {sizeLimit: 64Mi}
{{- end -}}
