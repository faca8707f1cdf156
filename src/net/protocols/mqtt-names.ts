/** Reason codes of MQTT by name, short and stable for `error.type`: 3.1.1 §3.2.2.3 and 5.0 §2.4. */

const CONNECT_3: Readonly<Record<number, string>> = {
  1: 'unacceptable_protocol_version',
  2: 'identifier_rejected',
  3: 'server_unavailable',
  4: 'bad_user_name_or_password',
  5: 'not_authorized',
}

const REASONS: Readonly<Record<number, string>> = {
  0: 'normal',
  4: 'disconnect_with_will',
  128: 'unspecified_error',
  129: 'malformed_packet',
  130: 'protocol_error',
  131: 'implementation_specific_error',
  132: 'unsupported_protocol_version',
  133: 'client_identifier_not_valid',
  134: 'bad_user_name_or_password',
  135: 'not_authorized',
  136: 'server_unavailable',
  137: 'server_busy',
  138: 'banned',
  139: 'server_shutting_down',
  140: 'bad_authentication_method',
  141: 'keep_alive_timeout',
  142: 'session_taken_over',
  143: 'topic_filter_invalid',
  144: 'topic_name_invalid',
  145: 'packet_identifier_in_use',
  146: 'packet_identifier_not_found',
  147: 'receive_maximum_exceeded',
  148: 'topic_alias_invalid',
  149: 'packet_too_large',
  150: 'message_rate_too_high',
  151: 'quota_exceeded',
  152: 'administrative_action',
  153: 'payload_format_invalid',
  154: 'retain_not_supported',
  155: 'qos_not_supported',
  156: 'use_another_server',
  157: 'server_moved',
  158: 'shared_subscriptions_not_supported',
  159: 'connection_rate_exceeded',
  160: 'maximum_connect_time',
  161: 'subscription_identifiers_not_supported',
  162: 'wildcard_subscriptions_not_supported',
}

/** Name of a CONNACK return code before version 5; '' for success. */
export function connectReturn(code: number): string {
  return code === 0 ? '' : (CONNECT_3[code] ?? `code_${code}`)
}

/** Name of a reason code; in every packet those from 128 are failures. */
export function reasonName(code: number): string {
  return REASONS[code] ?? `code_${code}`
}

export const isFailure = (code: number): boolean => code >= 128
