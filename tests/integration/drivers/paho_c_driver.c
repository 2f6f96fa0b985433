/* The driver program around Eclipse Paho C's synchronous client. Its line protocol is described in ../client_driver.py.
 *
 * usage: paho_c_driver HOST PORT VERSION OUT_DIR
 */
#include <MQTTClient.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { kMaxFields = 64, kInlineBytes = 1024, kTimeoutMs = 60000, kMaxAliases = 64 };

struct Field {
  char* key;
  char* value;
  int length;
};

struct Request {
  struct Field fields[kMaxFields];
  int count;
};

static MQTTClient client = NULL;
static char uri[256];
static int version = MQTTVERSION_3_1_1;
static const char* out_dir = ".";
static int files = 0;
static char* aliases[kMaxAliases];

static int IsV5(void) { return version == MQTTVERSION_5; }

static int DecodeInPlace(char* text) {
  int length = 0;
  for (char* in = text; *in; ++length) {
    if (*in == '%') {
      const char digits[3] = {in[1], in[2], 0};
      text[length] = (char)strtol(digits, NULL, 16);
      in += 3;
    } else {
      text[length] = *in++;
    }
  }
  text[length] = 0;
  return length;
}

static char* ParseLine(char* line, struct Request* request) {
  char* save = NULL;
  char* operation = strtok_r(line, " \r\n", &save);
  request->count = 0;
  for (char* word; (word = strtok_r(NULL, " \r\n", &save)) != NULL && request->count < kMaxFields;) {
    char* equals = strchr(word, '=');
    if (!equals) continue;
    *equals = 0;
    struct Field* field = &request->fields[request->count++];
    field->key = word;
    field->value = equals + 1;
    field->length = DecodeInPlace(field->value);
  }
  return operation;
}

static const struct Field* Find(const struct Request* request, const char* key) {
  for (int i = 0; i < request->count; ++i) {
    if (strcmp(request->fields[i].key, key) == 0) return &request->fields[i];
  }
  return NULL;
}

static const char* Text(const struct Request* request, const char* key, const char* otherwise) {
  const struct Field* field = Find(request, key);
  return field ? field->value : otherwise;
}

static int Number(const struct Request* request, const char* key, int otherwise) {
  const struct Field* field = Find(request, key);
  return field ? (int)strtoul(field->value, NULL, 10) : otherwise;
}

static void PutEncoded(const char* key, const char* data, int length) {
  printf(" %s=", key);
  for (int i = 0; i < length; ++i) {
    const unsigned char byte = (unsigned char)data[i];
    if (isalnum(byte) || byte == '-' || byte == '.' || byte == '_' || byte == '~') {
      putchar(byte);
    } else {
      printf("%%%02x", byte);
    }
  }
}

static void PutProperties(const MQTTProperties* properties) {
  for (int i = 0; i < properties->count; ++i) {
    const MQTTProperty* p = &properties->array[i];
    switch (p->identifier) {
      case MQTTPROPERTY_CODE_CONTENT_TYPE:
        PutEncoded("content_type", p->value.data.data, p->value.data.len);
        break;
      case MQTTPROPERTY_CODE_RESPONSE_TOPIC:
        PutEncoded("response_topic", p->value.data.data, p->value.data.len);
        break;
      case MQTTPROPERTY_CODE_CORRELATION_DATA:
        PutEncoded("correlation", p->value.data.data, p->value.data.len);
        break;
      case MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL:
        printf(" expiry=%u", p->value.integer4);
        break;
      case MQTTPROPERTY_CODE_PAYLOAD_FORMAT_INDICATOR:
        printf(" format=%d", p->value.byte);
        break;
      case MQTTPROPERTY_CODE_SUBSCRIPTION_IDENTIFIER:
        printf(" subid=%u", p->value.integer4);
        break;
      case MQTTPROPERTY_CODE_USER_PROPERTY: {
        char pair[2048];
        const int length = snprintf(pair, sizeof pair, "%.*s=%.*s", p->value.data.len, p->value.data.data,
                                    p->value.value.len, p->value.value.data);
        PutEncoded("user", pair, length);
        break;
      }
      default:
        break;
    }
  }
}

static const char* ResolveAlias(const MQTTClient_message* message, const char* topic) {
  MQTTProperties* properties = (MQTTProperties*)&message->properties;
  if (!MQTTProperties_hasProperty(properties, MQTTPROPERTY_CODE_TOPIC_ALIAS)) return topic;
  const int alias = (int)MQTTProperties_getNumericValue(properties, MQTTPROPERTY_CODE_TOPIC_ALIAS);
  if (alias <= 0 || alias >= kMaxAliases) return topic;
  printf(" alias=%d", alias);
  if (topic[0]) {
    free(aliases[alias]);
    aliases[alias] = strdup(topic);
  }
  return aliases[alias] ? aliases[alias] : "";
}

static int OnMessage(void* context, char* topic, int topic_length, MQTTClient_message* message) {
  (void)context;
  (void)topic_length;
  flockfile(stdout);
  printf("msg qos=%d retain=%d dup=%d", message->qos, message->retained, message->dup);
  const char* name = topic;
  if (IsV5()) {
    name = ResolveAlias(message, topic);
    PutProperties(&message->properties);
  }
  PutEncoded("topic", name, (int)strlen(name));
  if (message->payloadlen > kInlineBytes) {
    char path[512];
    snprintf(path, sizeof path, "%s/pahoc-%d-%d", out_dir, (int)getpid(), ++files);
    FILE* file = fopen(path, "wb");
    if (!file || fwrite(message->payload, 1, (size_t)message->payloadlen, file) != (size_t)message->payloadlen) abort();
    fclose(file);
    PutEncoded("file", path, (int)strlen(path));
  } else {
    PutEncoded("payload", message->payload, message->payloadlen);
  }
  putchar('\n');
  fflush(stdout);
  funlockfile(stdout);
  MQTTClient_freeMessage(&message);
  MQTTClient_free(topic);
  return 1;
}

static void OnLost(void* context, char* cause) {
  (void)context;
  (void)cause;
  flockfile(stdout);
  printf("closed\n");
  fflush(stdout);
  funlockfile(stdout);
}

static void AddNumber(MQTTProperties* properties, enum MQTTPropertyCodes code, const struct Request* request,
                      const char* key) {
  const struct Field* field = Find(request, key);
  if (!field) return;
  const unsigned long number = strtoul(field->value, NULL, 10);
  MQTTProperty property;
  memset(&property, 0, sizeof property);
  property.identifier = code;
  switch (MQTTProperty_getType(code)) {
    case MQTTPROPERTY_TYPE_BYTE:
      property.value.byte = (unsigned char)number;
      break;
    case MQTTPROPERTY_TYPE_TWO_BYTE_INTEGER:
      property.value.integer2 = (unsigned short)number;
      break;
    default:
      property.value.integer4 = (unsigned int)number;
      break;
  }
  MQTTProperties_add(properties, &property);
}

static void AddText(MQTTProperties* properties, enum MQTTPropertyCodes code, const struct Request* request,
                    const char* key) {
  const struct Field* field = Find(request, key);
  if (!field) return;
  MQTTProperty property;
  memset(&property, 0, sizeof property);
  property.identifier = code;
  property.value.data.data = field->value;
  property.value.data.len = field->length;
  MQTTProperties_add(properties, &property);
}

static void AddUserProperties(MQTTProperties* properties, struct Request* request) {
  for (int i = 0; i < request->count; ++i) {
    struct Field* field = &request->fields[i];
    if (strcmp(field->key, "user") != 0) continue;
    char* equals = strchr(field->value, '=');
    if (!equals) continue;
    MQTTProperty property;
    memset(&property, 0, sizeof property);
    property.identifier = MQTTPROPERTY_CODE_USER_PROPERTY;
    property.value.data.data = field->value;
    property.value.data.len = (int)(equals - field->value);
    property.value.value.data = equals + 1;
    property.value.value.len = field->length - property.value.data.len - 1;
    MQTTProperties_add(properties, &property);
  }
}

static void Answer(int code, const char* operation) {
  flockfile(stdout);
  if (code < 0) {
    printf("! error=%s%%20failed%%20with%%20%d\n", operation, code);
  } else {
    printf("= codes=%d\n", code);
  }
  fflush(stdout);
  funlockfile(stdout);
}

static void AnswerConnected(int present, int reason, const MQTTProperties* properties) {
  flockfile(stdout);
  printf("= reason=%d", reason);
  if (present >= 0) printf(" present=%d", present);
  for (int i = 0; properties && i < properties->count; ++i) {
    const MQTTProperty* p = &properties->array[i];
    if (p->identifier == MQTTPROPERTY_CODE_ASSIGNED_CLIENT_IDENTIFER) {
      PutEncoded("assigned", p->value.data.data, p->value.data.len);
    } else if (p->identifier == MQTTPROPERTY_CODE_TOPIC_ALIAS_MAXIMUM) {
      printf(" alias_max=%d", p->value.integer2);
    }
  }
  putchar('\n');
  fflush(stdout);
  funlockfile(stdout);
}

static int CreateClient(const struct Request* request) {
  MQTTClient_createOptions create = MQTTClient_createOptions_initializer;
  if (client) MQTTClient_destroy(&client);
  create.MQTTVersion = version;
  const int code = MQTTClient_createWithOptions(&client, uri, Text(request, "id", ""), MQTTCLIENT_PERSISTENCE_NONE, NULL,
                                                &create);
  if (code != MQTTCLIENT_SUCCESS) return code;
  return MQTTClient_setCallbacks(client, NULL, OnLost, OnMessage, NULL);
}

static void Connect(const struct Request* request) {
  MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer;
  MQTTClient_connectOptions options5 = MQTTClient_connectOptions_initializer5;
  MQTTClient_willOptions will = MQTTClient_willOptions_initializer;
  MQTTProperties properties = MQTTProperties_initializer;
  MQTTProperties will_properties = MQTTProperties_initializer;
  const int created = CreateClient(request);
  if (created != MQTTCLIENT_SUCCESS) {
    Answer(created, "create");
    return;
  }
  if (IsV5()) {
    options = options5;
    options.cleanstart = Number(request, "clean", 1);
  } else {
    options.cleansession = Number(request, "clean", 1);
    options.MQTTVersion = version;
  }
  options.keepAliveInterval = Number(request, "keepalive", 60);
  options.reliable = 0;
  options.maxInflightMessages = 100;
  options.connectTimeout = kTimeoutMs / 1000;
  const struct Field* topic = Find(request, "will_topic");
  if (topic) {
    const struct Field* payload = Find(request, "will_payload");
    will.topicName = topic->value;
    will.payload.data = payload ? payload->value : "";
    will.payload.len = payload ? payload->length : 0;
    will.qos = Number(request, "will_qos", 0);
    will.retained = Number(request, "will_retain", 0);
    options.will = &will;
  }
  if (!IsV5()) {
    const int code = MQTTClient_connect(client, &options);
    if (code < 0) {
      Answer(code, "connect");
    } else {
      AnswerConnected(options.returned.sessionPresent, code, NULL);
    }
    return;
  }
  AddNumber(&properties, MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, request, "expiry");
  AddNumber(&properties, MQTTPROPERTY_CODE_TOPIC_ALIAS_MAXIMUM, request, "alias_max");
  AddNumber(&properties, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, request, "receive_max");
  AddNumber(&will_properties, MQTTPROPERTY_CODE_WILL_DELAY_INTERVAL, request, "will_delay");
  MQTTResponse response = MQTTClient_connect5(client, &options, &properties, topic ? &will_properties : NULL);
  if ((int)response.reasonCode < 0) {
    Answer((int)response.reasonCode, "connect");
  } else {
    /* Paho C 1.3.12 does not pass on Session Present of an MQTT 5 CONNACK. */
    AnswerConnected(-1, (int)response.reasonCode, response.properties);
  }
  MQTTResponse_free(response);
  MQTTProperties_free(&properties);
  MQTTProperties_free(&will_properties);
}

static void Subscribe(const struct Request* request) {
  const char* filter = Text(request, "filter", "");
  const int qos = Number(request, "qos", 0);
  if (!IsV5()) {
    /* Paho C answers 0 and hides the granted QoS; only a refusal is told apart. */
    const int code = MQTTClient_subscribe(client, filter, qos);
    Answer(code == MQTTCLIENT_SUCCESS ? qos : code, "subscribe");
    return;
  }
  MQTTSubscribe_options options = MQTTSubscribe_options_initializer;
  MQTTProperties properties = MQTTProperties_initializer;
  options.noLocal = (unsigned char)Number(request, "nl", 0);
  options.retainAsPublished = (unsigned char)Number(request, "rap", 0);
  options.retainHandling = (unsigned char)Number(request, "rh", 0);
  AddNumber(&properties, MQTTPROPERTY_CODE_SUBSCRIPTION_IDENTIFIER, request, "subid");
  MQTTResponse response = MQTTClient_subscribe5(client, filter, qos, &options, &properties);
  Answer((int)response.reasonCode, "subscribe");
  MQTTResponse_free(response);
  MQTTProperties_free(&properties);
}

static void Unsubscribe(const struct Request* request) {
  const char* filter = Text(request, "filter", "");
  if (!IsV5()) {
    Answer(MQTTClient_unsubscribe(client, filter), "unsubscribe");
    return;
  }
  MQTTResponse response = MQTTClient_unsubscribe5(client, filter, NULL);
  Answer((int)response.reasonCode, "unsubscribe");
  MQTTResponse_free(response);
}

static int Send(const char* topic, MQTTClient_message* message, MQTTClient_deliveryToken* token) {
  if (!IsV5()) return MQTTClient_publishMessage(client, topic, message, token);
  MQTTResponse response = MQTTClient_publishMessage5(client, topic, message, token);
  const int code = (int)response.reasonCode;
  MQTTResponse_free(response);
  return code;
}

static void Publish(struct Request* request) {
  MQTTClient_message message = MQTTClient_message_initializer;
  MQTTClient_deliveryToken token = 0;
  const struct Field* payload = Find(request, "payload");
  const char* path = Text(request, "file", NULL);
  char* contents = NULL;
  if (path) {
    FILE* file = fopen(path, "rb");
    if (!file) abort();
    fseek(file, 0, SEEK_END);
    message.payloadlen = (int)ftell(file);
    rewind(file);
    contents = malloc((size_t)message.payloadlen);
    if (fread(contents, 1, (size_t)message.payloadlen, file) != (size_t)message.payloadlen) abort();
    fclose(file);
    message.payload = contents;
  } else if (payload) {
    message.payload = payload->value;
    message.payloadlen = payload->length;
  }
  message.qos = Number(request, "qos", 0);
  message.retained = Number(request, "retain", 0);
  if (IsV5()) {
    AddText(&message.properties, MQTTPROPERTY_CODE_CONTENT_TYPE, request, "content_type");
    AddText(&message.properties, MQTTPROPERTY_CODE_RESPONSE_TOPIC, request, "response_topic");
    AddText(&message.properties, MQTTPROPERTY_CODE_CORRELATION_DATA, request, "correlation");
    AddNumber(&message.properties, MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL, request, "expiry");
    AddNumber(&message.properties, MQTTPROPERTY_CODE_PAYLOAD_FORMAT_INDICATOR, request, "format");
    AddNumber(&message.properties, MQTTPROPERTY_CODE_TOPIC_ALIAS, request, "alias");
    AddUserProperties(&message.properties, request);
  }
  int code = Send(Text(request, "topic", ""), &message, &token);
  if (code >= 0) code = MQTTClient_waitForCompletion(client, token, kTimeoutMs);
  MQTTProperties_free(&message.properties);
  free(contents);
  Answer(code, "publish");
}

static void Burst(const struct Request* request) {
  const int count = Number(request, "count", 0);
  int code = 0;
  MQTTClient_deliveryToken* tokens = calloc((size_t)count, sizeof *tokens);
  for (int i = 0; i < count && code >= 0; ++i) {
    char text[16];
    MQTTClient_message message = MQTTClient_message_initializer;
    message.payload = text;
    message.payloadlen = snprintf(text, sizeof text, "%d", i);
    message.qos = Number(request, "qos", 0);
    code = Send(Text(request, "topic", ""), &message, &tokens[i]);
  }
  for (int i = 0; i < count && code >= 0; ++i) code = MQTTClient_waitForCompletion(client, tokens[i], kTimeoutMs);
  free(tokens);
  Answer(code, "burst");
}

static void Disconnect(const struct Request* request) {
  if (!IsV5()) {
    Answer(MQTTClient_disconnect(client, kTimeoutMs), "disconnect");
    return;
  }
  MQTTProperties properties = MQTTProperties_initializer;
  AddNumber(&properties, MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, request, "expiry");
  Answer(MQTTClient_disconnect5(client, kTimeoutMs, MQTTREASONCODE_NORMAL_DISCONNECTION, &properties), "disconnect");
  MQTTProperties_free(&properties);
}

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  snprintf(uri, sizeof uri, "tcp://%s:%s", argv[1], argv[2]);
  if (strcmp(argv[3], "31") == 0) version = MQTTVERSION_3_1;
  if (strcmp(argv[3], "5") == 0) version = MQTTVERSION_5;
  out_dir = argv[4];
  char* line = NULL;
  size_t room = 0;
  while (getline(&line, &room, stdin) > 0) {
    struct Request request;
    const char* operation = ParseLine(line, &request);
    if (!operation) continue;
    if (strcmp(operation, "connect") == 0) Connect(&request);
    else if (strcmp(operation, "subscribe") == 0) Subscribe(&request);
    else if (strcmp(operation, "unsubscribe") == 0) Unsubscribe(&request);
    else if (strcmp(operation, "publish") == 0) Publish(&request);
    else if (strcmp(operation, "burst") == 0) Burst(&request);
    else if (strcmp(operation, "disconnect") == 0) Disconnect(&request);
    else Answer(-1, operation);
  }
  if (client) MQTTClient_destroy(&client);
  free(line);
  return 0;
}
