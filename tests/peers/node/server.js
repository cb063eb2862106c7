// A foreign carrier: an SMPP server made with the npm package `smpp`, told what to do by lines of JSON on its input.
//
// It is started with its first settings as an argument and says, in lines of JSON, where it listens, what it hears (if
// `show`) and, when it is told {"count": true}, its counts. {"set": {…}} changes settings, {"say": {…}} sends a
// deliver_sm, {"end": "unbind" | "destroy"} ends every session.
'use strict';
const fs = require('fs');
const readline = require('readline');
const smpp = require('smpp');

const settings = {
  port: 0, system_id: 'user', password: 'secret', key: null, cert: null, show: true,
  receipts: 'both', // text, tlv, both or none
  notation: 'hex', // of ids in receipts; in answers they are decimal
  delay_ms: 10, // from the answer to the receipt
  status: null, // of all answers to submits, such as ESME_RTHROTTLED; null: accepted
  throttle_every: 0, // one in so many submits is throttled
  silent: false, // submits are accepted and not answered
  ...JSON.parse(process.argv[2] || '{}'),
};
const sessions = new Set(); // bound
const unacknowledged = []; // receipts no session was there for
const counts = { submits: 0, accepted: 0, throttled: 0, receipts: 0, receipts_acknowledged: 0, enquiries: 0, binds: 0 };
let lastId = Date.now() * 1000;

const tell = (what) => process.stdout.write(JSON.stringify(what) + '\n');

function deliver(fields) {
  const receivers = [...sessions].filter((each) => each.receives);
  const session = receivers[counts.receipts % receivers.length];
  if (!session) return unacknowledged.push(fields);
  counts.receipts += 1;
  const again = () => { if (session.outstanding.delete(fields)) setTimeout(deliver, 100, fields); };
  session.outstanding.add(fields);
  session.deliver_sm({ ...fields }, (answer) => {
    if (answer.command_status !== 0) return again();
    session.outstanding.delete(fields);
    counts.receipts_acknowledged += 1;
  });
}

function report(submit, id) {
  const written = settings.notation === 'hex' ? id.toString(16).toUpperCase() : String(id);
  const now = new Date().toISOString().replace(/[-T:]/g, '').slice(2, 12);
  const fields = { source_addr: submit.destination_addr, destination_addr: submit.source_addr, esm_class: 4,
    short_message: Buffer.alloc(0) };
  if (settings.receipts !== 'tlv') {
    fields.short_message = Buffer.from(
      `id:${written} sub:001 dlvrd:001 submit date:${now} done date:${now} stat:DELIVRD err:000 text:`);
  }
  if (settings.receipts !== 'text') Object.assign(fields, { receipted_message_id: written, message_state: 2 });
  deliver(fields);
}

function bytes(message) { // the package decodes what it can
  return Buffer.isBuffer(message) ? { octets: message.toString('hex') } : { text: message };
}

function heard(submit) {
  const { message, udh } = submit.short_message;
  return { source_addr: submit.source_addr, destination_addr: submit.destination_addr,
    source_addr_ton: submit.source_addr_ton, dest_addr_ton: submit.dest_addr_ton,
    data_coding: submit.data_coding, esm_class: submit.esm_class, registered_delivery: submit.registered_delivery,
    ...bytes(submit.message_payload ? submit.message_payload.message : message),
    udh: udh ? Buffer.concat(udh.map((each) => Buffer.from(each))).toString('hex') : null,
    sar: submit.sar_total_segments === undefined ? null
      : [submit.sar_msg_ref_num, submit.sar_segment_seqnum, submit.sar_total_segments] };
}

function onSubmit(session, submit) {
  counts.submits += 1;
  if (settings.show) tell({ submit: heard(submit) });
  let status = settings.status && smpp[settings.status];
  if (settings.throttle_every && counts.submits % settings.throttle_every === 0) status = smpp.ESME_RTHROTTLED;
  if (status) {
    counts.throttled += status === smpp.ESME_RTHROTTLED;
    return session.send(submit.response({ command_status: status }));
  }
  counts.accepted += 1;
  const id = ++lastId;
  if (!settings.silent) session.send(submit.response({ message_id: String(id) }));
  if (submit.registered_delivery && settings.receipts !== 'none') setTimeout(report, settings.delay_ms, submit, id);
}

function onBind(session, pdu, receives) {
  if (pdu.system_id !== settings.system_id || pdu.password !== settings.password) {
    session.send(pdu.response({ command_status: smpp.ESME_RINVPASWD }));
    return session.close();
  }
  counts.binds += 1;
  Object.assign(session, { receives, outstanding: new Set() });
  sessions.add(session);
  session.send(pdu.response({ system_id: 'NODE' }));
  if (receives) for (const fields of unacknowledged.splice(0)) deliver(fields);
}

function onSession(session) {
  session.on('bind_transceiver', (pdu) => onBind(session, pdu, true));
  session.on('bind_receiver', (pdu) => onBind(session, pdu, true));
  session.on('bind_transmitter', (pdu) => onBind(session, pdu, false));
  session.on('submit_sm', (pdu) => onSubmit(session, pdu));
  session.on('enquire_link', (pdu) => { counts.enquiries += 1; session.send(pdu.response()); });
  session.on('unbind', (pdu) => { session.send(pdu.response()); session.close(); });
  session.on('unbind_resp', () => session.close());
  session.on('error', () => session.destroy());
  session.on('close', () => { if (sessions.delete(session)) for (const fields of session.outstanding) deliver(fields); });
}

const files = settings.key ? { key: fs.readFileSync(settings.key), cert: fs.readFileSync(settings.cert) } : {};
const server = smpp.createServer(files, onSession);
server.on('error', (error) => { console.error(error.message); process.exit(1); });
server.listen(settings.port, '127.0.0.1', () => tell({ port: server.address().port }));

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const told = JSON.parse(line);
  if (told.set) Object.assign(settings, told.set);
  if (told.say) deliver({ ...told.say, short_message: Buffer.from(told.say.short_message, 'hex') });
  if (told.end) for (const session of sessions) told.end === 'unbind' ? session.unbind() : session.destroy();
  if (told.count) tell({ counts });
}).on('close', () => process.exit(0)); // whoever started it is gone
