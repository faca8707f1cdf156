/** Which settings all sidecars of a cluster can be given: the injector takes no others, nor does the chart. */
import type { Setting } from './setting.ts'

/** Settings that the injection itself decides, and others that nobody may set for a pod. */
const OURS =
  /^(listen|port|target|admin|metrics|upstream\.url|intercept\.(mode|proxyUid)|kubelet\..*|aggregator\..*|injector\..*)$/

export const isForSidecars = ({ path, commands }: Setting): boolean =>
  !OURS.test(path) && (commands.includes('sidecar') || commands.includes('iptables'))
