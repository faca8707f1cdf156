/** The style sheet's first half: colours, frame, controls, lists. */
export const STYLE_BASE = /* css */ `
:root {
  color-scheme: light dark;
  --bg: light-dark(#ffffff, #0e1116);
  --bg2: light-dark(#f6f7f9, #151a21);
  --bg3: light-dark(#eceff3, #1e252e);
  --line: light-dark(#dde2e8, #2a323d);
  --line2: light-dark(#eceff3, #1d242d);
  --text: light-dark(#1b222b, #dde3ea);
  --dim: light-dark(#59636f, #94a0ae);
  --accent: light-dark(#0b5bd3, #6cb0ff);
  --accent-bg: light-dark(#e3eefd, #17304f);
  --bad: light-dark(#c4232b, #ff7b72);
  --bad-bg: light-dark(#fdeceb, #3a1a1c);
  --warn: light-dark(#8a5300, #e8b04b);
  --warn-bg: light-dark(#fff4dc, #33270f);
  --good: light-dark(#1a7438, #5bc77a);
  --ov-bar: light-dark(#7f9cc4, #56779f);
  --p-queue: light-dark(#8f9bab, #8390a2);
  --p-dns: light-dark(#8b5cf6, #a78bfa);
  --p-connect: light-dark(#e08a00, #eba433);
  --p-tls: light-dark(#d6409f, #ec6cb9);
  --p-send: light-dark(#0d9488, #2cb5a8);
  --p-wait: light-dark(#3b82d9, #4d93e6);
  --p-receive: light-dark(#3a9a4f, #58b368);
  --self-a: light-dark(#3c4754, #c3ccd7);
  --self-b: light-dark(#76828f, #7c8896);
  --mono: ui-monospace, SFMono-Regular, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font: 13px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
* { box-sizing: border-box; }
html, body { height: 100%; margin: 0; background: var(--bg); color: var(--text); }
body { display: grid; grid-template: auto minmax(0, 1fr) / minmax(0, 1fr); }
h1, h2, h3, p, dl, dd, ul, table { margin: 0; padding: 0; }
h1 { font-size: 15px; } h2 { font-size: 14px; }
h3 { font-size: 11px; text-transform: uppercase; letter-spacing: 0.05em; color: var(--dim); font-weight: 600; }
ul { list-style: none; }
/* Names in scripts that run to the left do not turn round what is beside them. */
span, a, b, strong, em, code, button, option { unicode-bidi: isolate; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
code, .mono { font-family: var(--mono); font-size: 12px; }
[hidden] { display: none !important; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; border-radius: 3px; }
.dim { color: var(--dim); } .bad { color: var(--bad); } .warn-text { color: var(--warn); }
.error { color: var(--bad); padding: 8px 0; }
.num { text-align: right; white-space: nowrap; }
.spring { flex: 1; }
.skip { position: absolute; left: -999px; top: 0; z-index: 9; background: var(--bg); padding: 8px; }
.skip:focus { left: 8px; }
.dot { display: inline-block; width: 8px; height: 8px; border-radius: 2px; flex: none; background: light-dark(oklch(0.58 0.14 var(--hue, 250)), oklch(0.74 0.12 var(--hue, 250))); }

#top { display: flex; align-items: center; gap: 4px 16px; flex-wrap: wrap; padding: 0 14px; min-height: 44px; border-bottom: 1px solid var(--line); background: var(--bg2); }
#top .brand { font-weight: 700; font-size: 15px; color: var(--text); letter-spacing: -0.01em; }
#top .brand::before { content: ""; display: inline-block; width: 14px; height: 12px; margin-right: 8px; background: linear-gradient(var(--accent) 0 0) 0 0 / 60% 2.5px, linear-gradient(var(--accent) 0 0) 100% 50% / 70% 2.5px, linear-gradient(var(--accent) 0 0) 70% 100% / 40% 2.5px; background-repeat: no-repeat; }
#top nav { display: flex; gap: 2px; }
#top nav a { padding: 5px 10px; border-radius: 5px; color: var(--dim); white-space: nowrap; }
#top nav a:hover { background: var(--bg3); text-decoration: none; color: var(--text); }
#top nav a[aria-current] { background: var(--accent-bg); color: var(--accent); font-weight: 600; }
#top form { margin-left: auto; }
#view { min-height: 0; min-width: 0; outline: none; }
.view { height: 100%; display: flex; flex-direction: column; min-height: 0; min-width: 0; }

input, select, button { font: inherit; color: inherit; }
input:not([type=checkbox]), select { height: 28px; padding: 0 8px; border: 1px solid var(--line); border-radius: 5px; background: var(--bg); min-width: 0; }
input::placeholder { color: var(--dim); opacity: 1; }
input:focus, select:focus { outline: 2px solid var(--accent); outline-offset: -1px; }
input[type=checkbox] { accent-color: var(--accent); margin: 0; }
.jump { width: 190px; }
button { cursor: pointer; height: 28px; padding: 0 11px; border: 1px solid var(--line); border-radius: 5px; background: var(--bg); white-space: nowrap; }
button:hover { background: var(--bg3); }
button[aria-pressed=true] { background: var(--accent-bg); border-color: var(--accent); color: var(--accent); }
button.primary { background: var(--accent); border-color: var(--accent); color: light-dark(#fff, #08131f); font-weight: 600; }
button.icon { width: 28px; padding: 0; text-align: center; }
button.link { all: unset; cursor: pointer; color: var(--accent); white-space: normal; }
button.link:hover { text-decoration: underline; }
button.link:focus-visible { outline: 2px solid var(--accent); border-radius: 3px; }
.quiet { border: none; background: none; height: 24px; padding: 0 6px; color: var(--accent); display: inline-flex; align-items: center; }
.quiet.id { font-family: var(--mono); font-size: 12px; }
.check { display: inline-flex; gap: 6px; align-items: center; color: var(--dim); white-space: nowrap; }

.bar-of-filters { display: flex; flex-wrap: wrap; gap: 6px; padding: 8px 14px; border-bottom: 1px solid var(--line); align-items: end; }
.field { display: flex; flex-direction: column; gap: 2px; min-width: 0; }
.field > span { font-size: 11px; color: var(--dim); padding-left: 1px; }
.field.s { width: 84px; } .field.m { width: 132px; } .field.l { width: 190px; }
.field input, .field select { width: 100%; }
.actions { display: flex; gap: 6px; align-items: center; }
.statusline { display: flex; gap: 4px 14px; flex-wrap: wrap; padding: 4px 14px; min-height: 28px; align-items: center; color: var(--dim); border-bottom: 1px solid var(--line); background: var(--bg2); }
.statusline b { color: var(--text); font-weight: 600; }
.livedot { width: 8px; height: 8px; border-radius: 50%; background: var(--good); display: inline-block; margin-right: 6px; }
.livedot.off { background: var(--dim); } .livedot.paused { background: var(--warn); }

.rows { position: relative; flex: 1; min-height: 0; min-width: 0; overflow: auto; overflow-anchor: none; contain: strict; outline: none; scrollbar-gutter: stable; }
.rows:focus-visible:not([aria-activedescendant]) { box-shadow: inset 0 0 0 2px var(--accent); }
.rows:focus-visible .row[aria-selected=true] { outline: 1.5px solid var(--accent); outline-offset: -1.5px; }
.rows-head { position: sticky; top: 0; z-index: 2; height: 26px; background: var(--bg2); border-bottom: 1px solid var(--line); color: var(--dim); font-size: 11px; align-items: center; }
.rows-body { position: relative; contain: layout style; }
.row { position: absolute; inset: 0 0 auto 0; height: 26px; align-items: center; border-bottom: 1px solid var(--line2); white-space: nowrap; contain: strict; cursor: default; }
.row:hover { background: var(--bg2); }
.row[aria-selected=true] { background: var(--accent-bg); }
.row.failed { box-shadow: inset 3px 0 var(--bad); }
.list-grid { display: grid; gap: 0 12px; padding: 0 14px; grid-template-columns: 100px minmax(90px, 1.1fr) minmax(140px, 2.6fr) 44px 128px 56px 56px minmax(60px, 1.4fr) 76px; }
.list-grid.spans { grid-template-columns: 100px minmax(90px, 1fr) minmax(140px, 2.4fr) 44px 128px 72px minmax(70px, 1fr) minmax(70px, 1fr); }
.list-grid > * { overflow: hidden; text-overflow: ellipsis; min-width: 0; }
.list-grid .svc { display: flex; gap: 7px; align-items: center; }
.list-grid .svc span + span { overflow: hidden; text-overflow: ellipsis; }
.list-grid a { color: inherit; }
.took-cell { position: relative; text-align: right; height: 100%; display: flex; align-items: center; justify-content: end; padding-right: 4px; }
.took-cell i { position: absolute; left: 0; bottom: 4px; top: 4px; background: light-dark(#d7e4f7, #1c3350); border-radius: 2px; z-index: -1; }
.row .took-cell { isolation: isolate; }
.http { font-family: var(--mono); font-size: 11px; padding: 0 5px; border-radius: 3px; line-height: 17px; display: inline-block; }
.http.s2, .http.s1 { color: var(--good); } .http.s3 { color: var(--accent); }
.http.s4 { color: var(--warn); background: var(--warn-bg); }
.http.s5 { color: var(--bad); background: var(--bad-bg); font-weight: 600; }
.tag { font-size: 11px; line-height: 16px; padding: 0 5px; border-radius: 3px; color: var(--dim); background: var(--bg3); }
.tag.warn, .state.gaps, .state.rootless { color: var(--warn); background: var(--warn-bg); }
.empty { margin: auto; padding: 32px; text-align: center; color: var(--dim); max-width: 46em; }
.empty h2 { color: var(--text); margin-bottom: 6px; }
.empty code { user-select: all; }
.loading { padding: 24px; color: var(--dim); text-align: center; }
.list-holder { position: relative; flex: 1; min-height: 0; display: flex; }
.list-holder > .empty { position: absolute; inset: 40px 0 auto; }

#toast { position: fixed; bottom: 18px; left: 50%; translate: -50% 0; background: var(--text); color: var(--bg); padding: 7px 14px; border-radius: 6px; opacity: 0; pointer-events: none; transition: opacity 0.15s; z-index: 20; }
#toast.shown { opacity: 1; }
dialog.help { border: 1px solid var(--line); border-radius: 8px; background: var(--bg); color: var(--text); padding: 0; width: min(900px, 94vw); box-shadow: 0 12px 40px rgb(0 0 0 / 0.3); }
dialog.help::backdrop { background: rgb(0 0 0 / 0.35); }
dialog.help > div { padding: 20px 24px; }
dialog.help h2 { margin-bottom: 12px; }
dialog.help .columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(230px, 1fr)); gap: 20px 28px; }
dialog.help p { margin: 14px 0 8px; }
.keys { display: grid; grid-template-columns: max-content 1fr; gap: 5px 12px; margin-top: 8px; align-items: baseline; }
.keys dt { max-width: 120px; }
kbd { font: 11px/1 var(--mono); border: 1px solid var(--line); border-bottom-width: 2px; border-radius: 4px; padding: 2px 5px; background: var(--bg2); white-space: nowrap; }
@media (prefers-reduced-motion: reduce) { * { transition: none !important; animation: none !important; } }
@media (max-width: 1000px) {
  #top { padding: 6px 10px; gap: 4px 10px; }
  #top nav { order: 3; width: 100%; overflow-x: auto; }
  .list-grid { grid-template-columns: 92px minmax(70px, 1fr) minmax(120px, 2fr) 42px 96px 44px; gap: 0 8px; padding: 0 10px; }
  .list-grid.spans { grid-template-columns: 92px minmax(70px, 1fr) minmax(120px, 2fr) 42px 96px 60px; }
  .list-grid > .wide { display: none; }
  .bar-of-filters, .statusline { padding-left: 10px; padding-right: 10px; }
}
`
