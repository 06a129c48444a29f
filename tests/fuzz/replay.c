/* SPDX-License-Identifier: Apache-2.0 */
/* main() of a fuzz target where libFuzzer is not built in: feeds it the files named, one after another, and
 * counts them as TAP. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
    printf("1..%d\n", argc - 1);
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (!file || fseek(file, 0, SEEK_END) != 0) {
            printf("not ok %d - %s cannot be read\n", i, argv[i]);
            return 1;
        }
        size_t size = (size_t)ftell(file);
        uint8_t *data = malloc(size ? size : 1);
        rewind(file);
        size = data ? fread(data, 1, size, file) : 0;
        fclose(file);
        LLVMFuzzerTestOneInput(data, size);
        free(data);
        printf("ok %d - %s\n", i, argv[i]);
    }
    return 0;
}
