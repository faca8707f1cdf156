/** The style sheet's second half: trace, map, latency, tables. */
export const STYLE_VIEWS = /* css */ `
.trace-head { padding: 10px 14px 6px; border-bottom: 1px solid var(--line); }
.trace-head h1 { display: flex; gap: 8px; align-items: center; min-width: 0; }
.trace-head h1 .svc { flex: none; max-width: 50%; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.trace-head h1 .what { font-weight: 500; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.stats { display: flex; flex-wrap: wrap; gap: 2px 16px; align-items: center; margin-top: 4px; min-height: 26px; }
.stat { display: inline-flex; gap: 5px; } .stat b { font-weight: 600; }
.state { font-size: 11px; line-height: 18px; padding: 0 7px; border-radius: 9px; background: var(--bg3); color: var(--dim); }
.state.complete { color: var(--good); } .state.open { color: var(--accent); background: var(--accent-bg); }
.findings { border-bottom: 1px solid var(--line); padding: 5px 14px; color: var(--dim); max-height: 30%; overflow: auto; flex: none; }
.findings.has { background: var(--warn-bg); }
.findings.has summary { color: var(--warn); font-weight: 600; }
.findings summary { cursor: pointer; }
.findings ul { padding: 3px 0 3px 15px; } .findings li { padding: 1px 0; }
.findings b { color: var(--warn); font-weight: 600; }
.findings button.link { color: var(--text); }
.overview { position: relative; height: 52px; flex: none; margin: 0 14px; cursor: crosshair; color: var(--ov-bar); accent-color: var(--bad); touch-action: none; user-select: none; }
.overview canvas { position: absolute; inset: 0; width: 100%; height: 100%; }
.ov-window { position: absolute; top: 0; bottom: 0; background: color-mix(in srgb, var(--accent) 14%, transparent); border: 1px solid var(--accent); border-width: 0 1px; font-size: 10px; color: var(--accent); padding: 0 3px; overflow: hidden; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; padding: 4px 14px; font-size: 11px; color: var(--dim); border-block: 1px solid var(--line); background: var(--bg2); }
.legend span { display: inline-flex; gap: 5px; align-items: center; }
.swatch { display: inline-block; width: 11px; height: 9px; border-radius: 2px; flex: none; }
.p-queue { background: var(--p-queue); } .p-dns { background: var(--p-dns); } .p-connect { background: var(--p-connect); }
.p-tls { background: var(--p-tls); } .p-send { background: var(--p-send); } .p-wait { background: var(--p-wait); }
.p-receive { background: var(--p-receive); }
.p-self { background: repeating-linear-gradient(-45deg, var(--self-a) 0 2px, var(--self-b) 2px 4px); }
.p-plain { background: light-dark(oklch(0.68 0.09 var(--hue, 250)), oklch(0.6 0.08 var(--hue, 250))); }
.p-gap { background: none; border: 1px dashed var(--warn); }
.split { flex: 1; min-height: 0; display: grid; grid-template-columns: minmax(0, 1fr); }
.split.open { grid-template-columns: minmax(0, 1fr) 400px; }
.split .panel { display: none; }
.split.open .panel { display: block; }
.wf-grid { display: grid; grid-template-columns: minmax(220px, 34%) minmax(0, 1fr); }
.split .row { height: 24px; }
.split .row.wf-grid > *, .split .rows-head > * { height: 100%; }
.split .rows-head { font-size: 11px; }
.split .rows-head > :first-child { padding: 5px 14px; }
.axis { position: relative; border-left: 1px solid var(--line); margin-right: 84px; }
.tick { position: absolute; top: 0; bottom: 0; padding: 5px 0 0 4px; border-left: 1px solid var(--line); white-space: nowrap; }
.wf-name { display: flex; align-items: center; gap: 6px; padding-left: calc(8px + var(--depth) * 13px); padding-right: 6px; overflow: hidden; }
.wf-name .svc { font-weight: 600; flex: none; max-width: 50%; overflow: hidden; text-overflow: ellipsis; }
.wf-name .what { color: var(--dim); overflow: hidden; text-overflow: ellipsis; flex: 0 1 auto; min-width: 20px; }
.wf-name .http, .wf-name .tag, .wf-name .badge { flex: none; }
.wf-name .http { margin-left: auto; }
.row.gap .svc { color: var(--warn); }
.badge { font-size: 11px; color: var(--accent); }
.fold { all: unset; width: 14px; height: 20px; flex: none; text-align: center; color: var(--dim); cursor: pointer; line-height: 20px; }
button.fold:hover { color: var(--text); background: none; }
.lane { position: relative; border-left: 1px solid var(--line); margin-right: 84px; }
.clip { position: absolute; inset: 0; overflow: hidden; }
.lane .bar { position: absolute; top: 4px; bottom: 4px; min-width: 4px; border-radius: 3px; border: 1.5px solid var(--bad); }
.part { position: absolute; top: 6px; bottom: 6px; }
.part:first-child { border-radius: 2px 0 0 2px; min-width: 2px; }
.part + .part { border-left: 1px solid var(--bg); }
.part.p-plain, .part.p-gap { border-radius: 2px; }
.unsure { position: absolute; bottom: 0.5px; height: 5px; border: 1.5px solid var(--dim); border-width: 0 1.5px; background: linear-gradient(var(--dim) 0 0) 0 50% / 100% 1px no-repeat; }
.took { position: absolute; top: 0; line-height: 23px; padding: 0 6px; font-size: 11px; color: var(--dim); white-space: pre; }
.row.failed .took { color: var(--bad); }
.panel { overflow: auto; border-left: 1px solid var(--line); padding: 0 14px 20px; background: var(--bg2); outline: none; }
.panel-head { position: sticky; top: 0; background: var(--bg2); padding: 8px 0; border-bottom: 1px solid var(--line); display: grid; grid-template-columns: 1fr auto; align-items: center; z-index: 1; }
.panel-head > div { display: flex; gap: 8px; align-items: center; min-width: 0; overflow-wrap: anywhere; }
.panel-head button { border: none; background: none; font-size: 18px; line-height: 1; }
.panel-what { grid-column: 1 / -1; overflow-wrap: anywhere; color: var(--dim); }
.panel section { margin-top: 14px; } .panel section > h3 { margin-bottom: 4px; }
.panel .notes { margin-top: 8px; padding: 6px 9px; background: var(--warn-bg); border-radius: 5px; }
.facts { display: grid; grid-template-columns: 92px minmax(0, 1fr); gap: 2px 10px; margin-top: 8px; }
.facts dt { color: var(--dim); } .facts dd { overflow-wrap: anywhere; }
.facts code, .links code { cursor: copy; } .links a code { cursor: inherit; }
.attrs { display: grid; grid-template-columns: minmax(0, 42%) minmax(0, 1fr); border-top: 1px solid var(--line); }
.attrs dt, .attrs dd { padding: 3px 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; font: 12px/1.4 var(--mono); }
.attrs dt { color: var(--dim); padding-right: 8px; }
.attrs dd { display: flex; gap: 6px; justify-content: space-between; white-space: pre-wrap; }
.find { opacity: 0.75; flex: none; padding: 0 3px; font-size: 14px; line-height: 1; }
.attrs dd:hover .find, .find:focus-visible { opacity: 1; }
.event { margin-bottom: 8px; }
.phases { width: 100%; border-collapse: collapse; }
.phases td { padding: 2px 0; } .phases td:first-child { width: 104px; } .phases td:nth-child(2) { width: 76px; padding-right: 10px; }
.phases .swatch { margin-right: 7px; } .meter { display: block; height: 8px; border-radius: 2px; min-width: 1px; }

.pane { flex: 1; min-height: 0; overflow: auto; padding: 14px; }
table.data { width: 100%; border-collapse: collapse; }
table.data th { text-align: left; font-size: 11px; color: var(--dim); font-weight: 600; padding: 4px 10px 4px 0; border-bottom: 1px solid var(--line); position: sticky; top: 0; background: var(--bg); white-space: nowrap; z-index: 1; }
table.data td { padding: 3px 10px 3px 0; border-bottom: 1px solid var(--line2); }
table.data th.num { text-align: right; }
table.data tr[aria-selected=true] td { background: var(--accent-bg); }
table.data tbody tr:hover td { background: var(--bg2); }
.svc-cell { display: inline-flex; gap: 7px; align-items: center; max-width: 40vw; overflow: hidden; white-space: nowrap; }
.map-view .map { flex: 1 1 60%; min-height: 240px; overflow: auto; background: var(--bg); display: flex; }
.map-view .table { flex: 0 1 auto; max-height: 42%; overflow: auto; padding: 0 14px 8px; border-top: 1px solid var(--line); }
.map svg { display: block; margin: auto; flex: none; width: 100%; max-width: var(--w); min-width: calc(var(--w) * 0.62); }
.map .node rect { fill: var(--bg2); stroke: var(--line); }
.map .node .strip { fill: light-dark(oklch(0.58 0.14 var(--hue, 250)), oklch(0.74 0.12 var(--hue, 250))); stroke: none; }
.map .node.outside rect { stroke-dasharray: 4 3; }
.map .node.unwell rect:first-of-type { stroke: var(--bad); }
.map .node:focus-visible rect:first-of-type, .map .node:hover rect:first-of-type { stroke: var(--accent); stroke-width: 2; }
.map .node { outline: none; cursor: pointer; }
.map text { fill: var(--text); font-size: 12px; }
.map text.name { font-weight: 600; } .map text.small { font-size: 11px; fill: var(--dim); } .map text.bad { fill: var(--bad); }
.map .edge path { fill: none; stroke: var(--edge, var(--ov-bar)); }
.map .edge path.hit { stroke: transparent; stroke-width: 14px; }
.map .edge.unwell { --edge: var(--bad); }
.map .edge { cursor: pointer; outline: none; }
.map .edge:hover, .map .edge:focus-visible, .map .edge.lit { --edge: var(--accent); }
.map .edge .label rect { fill: var(--bg); opacity: 0.88; }
.map .faded { opacity: 0.22; }
.map marker path { fill: context-stroke; }

.latency-view .cols { flex: 1; min-height: 0; display: grid; grid-template-columns: minmax(330px, 34%) minmax(0, 1fr); }
.routes { overflow: auto; border-right: 1px solid var(--line); padding: 0 0 12px 14px; }
.routes td.route { max-width: 0; width: 50%; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.routes td.route a { color: inherit; }
.routes tr.of-service td { font-weight: 600; padding-top: 10px; }
.heat { padding: 12px 14px; display: flex; flex-direction: column; min-width: 0; gap: 8px; }
.heat-box { position: relative; flex: 1; min-height: 220px; max-height: 560px; outline: 0 solid var(--dim); border: 0 solid var(--line2); }
.heat-box canvas { position: absolute; inset: 0; width: 100%; height: 100%; }
.heat-box:focus-visible { outline: 2px solid var(--accent); }
.tip { position: absolute; pointer-events: none; background: var(--text); color: var(--bg); border-radius: 5px; padding: 5px 9px; font-size: 12px; white-space: pre; z-index: 3; }
.scale { display: inline-flex; align-items: center; gap: 6px; } .scale i { width: 14px; height: 10px; display: inline-block; }
.tiles { display: flex; flex-wrap: wrap; gap: 10px; margin-bottom: 16px; }
.tile { border: 1px solid var(--line); border-radius: 7px; padding: 8px 14px; min-width: 120px; background: var(--bg2); color: inherit; }
.tile b { display: block; font-size: 19px; font-weight: 600; } .tile .swatch { margin-right: 6px; }
.stack { display: flex; height: 14px; border-radius: 3px; overflow: hidden; min-width: 120px; background: var(--bg3); }
.stack a { min-width: 2px; } .stack a + a { box-shadow: -1px 0 var(--bg); }
.o-0 { background: var(--p-wait); } .o-1 { background: var(--p-receive); } .o-2 { background: var(--p-connect); }
.o-3 { background: var(--p-tls); } .o-4 { background: var(--p-dns); } .o-5 { background: var(--p-send); } .o-6 { background: var(--p-queue); }
.o-bad { background: var(--bad); }
.spark { display: block; overflow: visible; } .spark path { fill: none; stroke: var(--accent); stroke-width: 1.5; } .spark .band { fill: var(--accent-bg); stroke: none; }
@media (max-width: 1000px) {
  .split.open { grid-template-columns: minmax(0, 1fr); grid-template-rows: minmax(0, 1fr) 42%; }
  .split.open .panel { border-left: none; border-top: 2px solid var(--line); }
  .wf-grid { grid-template-columns: minmax(150px, 40%) minmax(0, 1fr); }
  .wf-name .tag { display: none; }
  .trace-head, .findings, .legend { padding-left: 10px; padding-right: 10px; } .overview { margin: 0 10px; }
  .latency-view .cols { grid-template-columns: minmax(0, 1fr); grid-template-rows: minmax(0, 1fr) minmax(0, 1fr); overflow: auto; }
  .routes { border-right: none; border-bottom: 1px solid var(--line); padding-left: 10px; }
}
`
