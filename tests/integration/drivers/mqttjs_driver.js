// The driver program around MQTT.js. Its line protocol is described in ../client_driver.py.
//
// usage: NODE_PATH=.../node_modules node mqttjs_driver.js HOST PORT VERSION OUT_DIR
'use strict';

const fs = require('fs');
const path = require('path');
const readline = require('readline');
const mqtt = require('mqtt');

const [host, port, version, outDir] = process.argv.slice(2);
const v5 = version === '5';
const inlineBytes = 1024;
let client = null;
let files = 0;

function encode(value) {
  const bytes = Buffer.isBuffer(value) ? value : Buffer.from(String(value));
  let text = '';
  for (const byte of bytes) {
    const char = String.fromCharCode(byte);
    text += /[A-Za-z0-9_.~-]/.test(char) ? char : '%' + byte.toString(16).padStart(2, '0');
  }
  return text;
}

function decode(text) {
  const bytes = [];
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '%') {
      bytes.push(parseInt(text.substr(i + 1, 2), 16));
      i += 2;
    } else {
      bytes.push(text.charCodeAt(i));
    }
  }
  return Buffer.from(bytes);
}

function say(word, pairs) {
  process.stdout.write([word, ...pairs.map(([key, value]) => key + '=' + encode(value))].join(' ') + '\n');
}

function parse(line) {
  const [operation, ...words] = line.trim().split(/\s+/);
  const fields = {};
  const user = [];
  for (const word of words) {
    const at = word.indexOf('=');
    const key = word.slice(0, at);
    const value = decode(word.slice(at + 1));
    if (key === 'user') user.push(value.toString());
    else fields[key] = key === 'payload' || key === 'correlation' || key === 'will_payload' ? value : value.toString();
  }
  return { operation, fields, user };
}

function userProperties(user) {
  const properties = {};
  for (const text of user) {
    const at = text.indexOf('=');
    const key = text.slice(0, at);
    const value = text.slice(at + 1);
    properties[key] = key in properties ? [].concat(properties[key], value) : value;
  }
  return properties;
}

function onMessage(topic, payload, packet) {
  const pairs = [['topic', topic], ['qos', packet.qos], ['retain', Number(packet.retain)], ['dup', Number(packet.dup)]];
  const p = packet.properties || {};
  if (p.topicAlias !== undefined) pairs.push(['alias', p.topicAlias]);
  if (p.contentType !== undefined) pairs.push(['content_type', p.contentType]);
  if (p.responseTopic !== undefined) pairs.push(['response_topic', p.responseTopic]);
  if (p.correlationData !== undefined) pairs.push(['correlation', p.correlationData]);
  if (p.messageExpiryInterval !== undefined) pairs.push(['expiry', p.messageExpiryInterval]);
  if (p.payloadFormatIndicator !== undefined) pairs.push(['format', Number(p.payloadFormatIndicator)]);
  for (const [key, values] of Object.entries(p.userProperties || {})) {
    for (const value of [].concat(values)) pairs.push(['user', key + '=' + value]);
  }
  for (const id of [].concat(p.subscriptionIdentifier === undefined ? [] : p.subscriptionIdentifier)) pairs.push(['subid', id]);
  if (payload.length > inlineBytes) {
    const file = path.join(outDir, `mqttjs-${process.pid}-${++files}`);
    fs.writeFileSync(file, payload);
    pairs.push(['file', file]);
  } else {
    pairs.push(['payload', payload]);
  }
  say('msg', pairs);
}

function connect(fields) {
  const options = {
    host, port: Number(port), protocol: 'mqtt', clientId: fields.id || '', clean: fields.clean !== '0',
    keepalive: Number(fields.keepalive || 60), reconnectPeriod: 0, connectTimeout: 60000,
    protocolVersion: { 31: 3, 311: 4, 5: 5 }[version], protocolId: version === '31' ? 'MQIsdp' : 'MQTT',
  };
  if (fields.will_topic) {
    options.will = { topic: fields.will_topic, payload: fields.will_payload || Buffer.alloc(0),
      qos: Number(fields.will_qos || 0), retain: fields.will_retain === '1' };
    if (v5 && fields.will_delay) options.will.properties = { willDelayInterval: Number(fields.will_delay) };
  }
  if (v5) {
    options.properties = {};
    if (fields.expiry) options.properties.sessionExpiryInterval = Number(fields.expiry);
    if (fields.alias_max) options.properties.topicAliasMaximum = Number(fields.alias_max);
    if (fields.receive_max) options.properties.receiveMaximum = Number(fields.receive_max);
  }
  return new Promise((resolve, reject) => {
    client = mqtt.connect(options);
    client.on('message', onMessage);
    client.on('error', (error) => reject(error));
    client.on('close', () => say('closed', []));
    client.once('connect', (connack) => {
      const p = connack.properties || {};
      const pairs = [['present', Number(connack.sessionPresent)], ['reason', connack.reasonCode || connack.returnCode || 0]];
      if (p.assignedClientIdentifier !== undefined) pairs.push(['assigned', p.assignedClientIdentifier]);
      if (p.topicAliasMaximum !== undefined) pairs.push(['alias_max', p.topicAliasMaximum]);
      resolve(pairs);
    });
  });
}

function subscribe(fields) {
  const options = { qos: Number(fields.qos || 0) };
  if (v5) {
    options.nl = fields.nl === '1';
    options.rap = fields.rap === '1';
    options.rh = Number(fields.rh || 0);
    if (fields.subid) options.properties = { subscriptionIdentifier: Number(fields.subid) };
  }
  return new Promise((resolve, reject) => {
    client.subscribe(fields.filter, options, (error, granted, packet) => {
      if (packet && packet.granted) resolve([['codes', packet.granted.join(',')]]);
      else if (error) reject(error);
      else resolve([['codes', granted.map((one) => one.qos).join(',')]]);
    });
  });
}

function unsubscribe(fields) {
  return new Promise((resolve, reject) => client.unsubscribe(fields.filter, (error) => (error ? reject(error) : resolve([]))));
}

function publish(fields, user) {
  const payload = fields.file ? fs.readFileSync(fields.file) : fields.payload || Buffer.alloc(0);
  const options = { qos: Number(fields.qos || 0), retain: fields.retain === '1' };
  if (v5) {
    const p = (options.properties = {});
    if (fields.content_type !== undefined) p.contentType = fields.content_type;
    if (fields.response_topic !== undefined) p.responseTopic = fields.response_topic;
    if (fields.correlation !== undefined) p.correlationData = fields.correlation;
    if (fields.expiry !== undefined) p.messageExpiryInterval = Number(fields.expiry);
    if (fields.format !== undefined) p.payloadFormatIndicator = fields.format === '1';
    if (fields.alias !== undefined) p.topicAlias = Number(fields.alias);
    if (user.length) p.userProperties = userProperties(user);
  }
  return new Promise((resolve, reject) => {
    client.publish(fields.topic, payload, options, (error, packet) => {
      if (error && error.code === undefined) reject(error);
      else resolve([['reason', (packet && packet.reasonCode) || (error && error.code) || 0]]);
    });
  });
}

// MQTT.js has no window of its own: a batch is complete before the next begins.
async function burst(fields) {
  const count = Number(fields.count);
  for (let first = 0; first < count; first += 100) {
    const batch = [];
    for (let index = first; index < Math.min(first + 100, count); index++) {
      batch.push(publish({ topic: fields.topic, qos: fields.qos, payload: Buffer.from(String(index)) }, []));
    }
    await Promise.all(batch);
  }
  return [];
}

function disconnect(fields) {
  const options = v5 && fields.expiry !== undefined ? { properties: { sessionExpiryInterval: Number(fields.expiry) } } : {};
  return new Promise((resolve) => client.end(false, options, () => resolve([])));
}

async function main() {
  const operations = { connect, subscribe, unsubscribe, publish, burst, disconnect };
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { operation, fields, user } = parse(line);
    try {
      say('=', await operations[operation](fields, user));
    } catch (error) {
      say('!', [['error', `${operation}: ${error}`]]);
    }
  }
  process.exit(0);
}

main();
