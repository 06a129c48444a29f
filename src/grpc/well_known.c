/* SPDX-License-Identifier: Apache-2.0 */
/* google/protobuf's well-known files, so that an import of them needs no file on disk. Only what messages
 * are made of: no options, no comments. */
#include <string.h>

#include "grpc/pool.h"

#define HEAD "syntax = \"proto3\"; package google.protobuf; "

static const struct {
    const char *name, *text;
} files[] = {
    {"google/protobuf/any.proto", HEAD "message Any { string type_url = 1; bytes value = 2; }"},
    {"google/protobuf/duration.proto", HEAD "message Duration { int64 seconds = 1; int32 nanos = 2; }"},
    {"google/protobuf/empty.proto", HEAD "message Empty {}"},
    {"google/protobuf/field_mask.proto", HEAD "message FieldMask { repeated string paths = 1; }"},
    {"google/protobuf/struct.proto", HEAD
     "message Struct { map<string, Value> fields = 1; }"
     "message Value { oneof kind { NullValue null_value = 1; double number_value = 2; string string_value = 3; bool bool_value = 4;"
     " Struct struct_value = 5; ListValue list_value = 6; } }"
     "enum NullValue { NULL_VALUE = 0; }"
     "message ListValue { repeated Value values = 1; }"},
    {"google/protobuf/timestamp.proto", HEAD "message Timestamp { int64 seconds = 1; int32 nanos = 2; }"},
    {"google/protobuf/wrappers.proto", HEAD
     "message DoubleValue { double value = 1; } message FloatValue { float value = 1; } message Int64Value { int64 value = 1; }"
     "message UInt64Value { uint64 value = 1; } message Int32Value { int32 value = 1; } message UInt32Value { uint32 value = 1; }"
     "message BoolValue { bool value = 1; } message StringValue { string value = 1; } message BytesValue { bytes value = 1; }"},
    {"google/protobuf/source_context.proto", HEAD "message SourceContext { string file_name = 1; }"},
    /* imported for the sake of custom options, which are read over */
    {"google/protobuf/descriptor.proto", HEAD},
};

const char *well_known_file(const char *name)
{
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (strcmp(files[i].name, name) == 0)
            return files[i].text;
    return NULL;
}
