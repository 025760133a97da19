{{- define "burnish.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "burnish.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "burnish.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "burnish.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "burnish.selectorLabels" -}}
app.kubernetes.io/name: {{ include "burnish.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "burnish.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: burnish
{{ include "burnish.selectorLabels" . }}
{{- end }}

{{- define "burnish.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "burnish.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.create is false: name the account in serviceAccount.name" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- /* The reference of one image: (dict "root" $ "image" "optimizer"). */}}
{{- define "burnish.image" -}}
{{- $images := .root.Values.images }}
{{- $whole := index $images .image }}
{{- if $whole }}
{{- $whole }}
{{- else }}
{{- $registry := required "Set images.registry to where hack/images/build pushed, such as registry.example/burnish (or name each image in images.operator, images.optimizer and images.serving)." $images.registry }}
{{- printf "%s/%s:%s" (trimSuffix "/" $registry) .image (default .root.Chart.AppVersion $images.tag) }}
{{- end }}
{{- end }}

{{- define "burnish.replicas" -}}
{{- if and (gt (int .Values.replicas) 1) (not .Values.leaderElection.enabled) }}
{{- fail (printf "replicas is %d and leaderElection.enabled is false: several operators would write at once. Set leaderElection.enabled=true, or replicas=1." (int .Values.replicas)) }}
{{- end }}
{{- .Values.replicas }}
{{- end }}

{{- /* Rights inside the namespaces of models. */}}
{{- define "burnish.namespacedRules" -}}
- apiGroups: [burnish.dev]
  resources: [optimizedmodels]
  verbs: [get, list, watch]
- apiGroups: [burnish.dev]
  resources: [optimizedmodels/status]
  verbs: [patch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]  # termination messages of Jobs
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [get, create, patch]
{{- end }}

{{- /* Rights on what has no namespace. */}}
{{- define "burnish.inventoryRules" -}}
- apiGroups: [""]
  resources: [nodes]
  verbs: [get, list, watch]
- apiGroups: [burnish.dev]
  resources: [acceleratorclasses]
  verbs: [get, list, watch, create]
- apiGroups: [burnish.dev]
  resources: [acceleratorclasses/status]
  verbs: [patch]
- apiGroups: [apiextensions.k8s.io]  # to notice CRDs that come later
  resources: [customresourcedefinitions]
  verbs: [get, list, watch]
- apiGroups: [""]  # to notice a watched namespace that comes later
  resources: [namespaces]
  verbs: [get, list, watch]
{{- end }}
