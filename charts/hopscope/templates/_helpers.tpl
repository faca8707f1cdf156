{{- define "hopscope.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "hopscope.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "hopscope.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "hopscope.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* Labels of an object: (dict "root" $ "component" "injector") */ -}}
{{- define "hopscope.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | quote }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service | quote }}
{{ include "hopscope.selector" . }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "hopscope.selector" -}}
app.kubernetes.io/name: {{ include "hopscope.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component | quote }}
{{- end -}}

{{- define "hopscope.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "hopscope.certificateSecret" -}}
{{- default (printf "%s-injector-tls" (include "hopscope.fullname" .)) .Values.certificate.existingSecret -}}
{{- end -}}

{{- /* Where the sidecars send spans: a headless name, each address of which is an instance. */ -}}
{{- define "hopscope.collector" -}}
{{- if .Values.sidecar.aggregator -}}
{{ .Values.sidecar.aggregator }}
{{- else if .Values.aggregator.enabled -}}
http://{{ include "hopscope.fullname" . }}-aggregator-headless.{{ .Release.Namespace }}.svc:4317
{{- end -}}
{{- end -}}

{{- /* All that Pod Security `restricted` asks of a pod. */ -}}
{{- define "hopscope.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1337
runAsGroup: 1337
fsGroup: 1337
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "hopscope.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "hopscope.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end -}}

{{- /* (dict "root" $ "values" .Values.injector) */ -}}
{{- define "hopscope.placement" -}}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- end -}}

{{- /* Pods of one component shun each other's nodes and zones. (dict "root" $ "component" … "values" …) */ -}}
{{- define "hopscope.affinity" -}}
affinity:
{{- if .values.affinity }}
  {{- toYaml .values.affinity | nindent 2 }}
{{- else }}
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
      - weight: 100
        podAffinityTerm:
          topologyKey: {{ . }}
          labelSelector:
            matchLabels:
              {{- include "hopscope.selector" $ | nindent 14 }}
      {{- end }}
{{- end }}
{{- end -}}

{{- /* A pod's annotations: its own, and a checksum of its settings. (dict "config" TEXT "values" …) */ -}}
{{- define "hopscope.podAnnotations" -}}
checksum/config: {{ .config | sha256sum }}
{{- with .values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* The resource attributes of OpenTelemetry, by the downward API. */ -}}
{{- define "hopscope.identity" -}}
- name: POD_NAME
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
- name: POD_NAMESPACE
  valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
- name: NODE_NAME
  valueFrom: { fieldRef: { fieldPath: spec.nodeName } }
- name: OTEL_RESOURCE_ATTRIBUTES
  value: k8s.namespace.name=$(POD_NAMESPACE),k8s.pod.name=$(POD_NAME),k8s.node.name=$(NODE_NAME)
{{- end -}}
