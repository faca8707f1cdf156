/** Style of diagnoses and incidents. */
export const STYLE_DIAGNOSIS = `
.diagnosis { border-bottom: 1px solid var(--line); padding: 5px 14px; max-height: 35%; overflow: auto; flex: none; }
.diagnosis summary { cursor: pointer; }
.diagnosis .verdict { text-transform: uppercase; font-size: 11px; letter-spacing: .05em; color: var(--warn); margin-right: 4px; }
.diagnosis.failed .verdict { color: var(--bad); }
.diagnosis.failed { box-shadow: inset 3px 0 var(--bad); }
.diagnosis.slow { box-shadow: inset 3px 0 var(--warn); }
.diagnosis summary button.link { color: var(--text); font-weight: 600; }
.diagnosis ol { padding: 4px 0 3px 22px; margin: 0; }
.diagnosis p { margin: 2px 0; }
.cause ul { padding: 1px 0 5px 15px; margin: 0; }
.cause li { padding: 1px 0; }
.incidents-view .pane { max-width: 1100px; outline: none; }
.incident { border: 1px solid var(--line); border-left: 3px solid var(--line2); border-radius: 6px; padding: 8px 14px 10px; margin: 0 0 12px; background: var(--bg2); }
.incident.open { border-left-color: var(--bad); }
.incident.open.warning { border-left-color: var(--warn, #c80); }
.incident h2 { font-size: 15px; margin: 0 0 2px; }
.incident ol { padding-left: 22px; margin: 6px 0 0; }
.recorded h4 { margin: 6px 0 2px; color: var(--dim); font-weight: 600; }
.recorded pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 2px 0; max-height: 30em; overflow: auto; }
.incident .times { color: var(--dim); display: flex; gap: 14px; flex-wrap: wrap; }
`
