/** Writes metrics as Prometheus text (exposition format 0.0.4). */
import type { MetricJson, MetricRow } from "./metric-json.js";

export function formatMetric(metric: MetricJson): string {
  const head = `# HELP ${metric.name} ${escapeHelp(metric.help)}\n# TYPE ${metric.name} ${metric.type}\n`;
  const format = metric.type === "histogram" ? formatHistogram : formatValue;
  let text = head;
  for (const row of metric.rows) text += format(metric, row);
  return text;
}

function formatValue(metric: MetricJson, [labels, numbers]: MetricRow): string {
  const pairs = formatLabels(metric.labelNames, labels);
  return `${metric.name}${pairs === "" ? "" : `{${pairs}}`} ${formatNumber(numbers[0] ?? 0)}\n`;
}

function formatHistogram(metric: MetricJson, [labels, numbers]: MetricRow): string {
  const { name, bounds } = metric;
  const pairs = formatLabels(metric.labelNames, labels);
  const start = `${name}_bucket{${pairs}${pairs === "" ? "" : ","}le="`;
  const suffix = pairs === "" ? "" : `{${pairs}}`;
  let cumulative = 0;
  let text = "";
  for (let i = 0; i < bounds.length; i++) {
    cumulative += numbers[i] ?? 0;
    text += `${start}${bounds[i]}"} ${cumulative}\n`;
  }
  cumulative += numbers[bounds.length] ?? 0;
  text += `${start}+Inf"} ${cumulative}\n`;
  return `${text}${name}_sum${suffix} ${formatNumber(numbers[bounds.length + 1] ?? 0)}\n${name}_count${suffix} ${cumulative}\n`;
}

function formatLabels(names: readonly string[], values: readonly string[]): string {
  return names.map((name, i) => `${name}="${escapeLabel(values[i] ?? "")}"`).join(",");
}

function escapeLabel(value: string): string {
  return /[\\\n"]/.test(value) ? value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"') : value;
}

function escapeHelp(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function formatNumber(value: number): string {
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return "NaN";
  return value > 0 ? "+Inf" : "-Inf";
}
