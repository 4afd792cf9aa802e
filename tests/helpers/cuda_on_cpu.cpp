// A program that makes the launches of a file and writes the arrays back: for the sanitizers, which Python cannot load.
//
//     launches.bin   for each launch: shim::Launch, the kernel's number, the number of arguments, and for each
//                    argument its kind (0 a scalar, 1 an array, 2 an array that was an argument before), its bytes
//                    as uint64, and the bytes, which are the number of that argument for kind 2
//     results.bin    the arrays of all launches after them, one behind the other
#include <vector>

int main(int, char** argv)
{
    FILE* in = fopen(argv[1], "rb");
    FILE* out = fopen(argv[2], "wb");
    shim::Launch launch;
    while (fread(&launch, sizeof launch, 1, in) == 1) {
        uint64_t header[2], of_argument[2];
        if (fread(header, 8, 2, in) != 2)
            return 3;
        std::vector<char*> values, arrays;
        std::vector<uint64_t> sizes;
        for (uint64_t n = 0; n < header[1]; ++n) {
            if (fread(of_argument, 8, 2, in) != 2)
                return 3;
            char* value = (char*)malloc(of_argument[1]);             // one block each: the ends are guarded
            if (fread(value, 1, of_argument[1], in) != of_argument[1])
                return 3;
            if (of_argument[0] == 2) {
                value = values[*(uint64_t*)value];
            } else if (of_argument[0] == 1) {
                arrays.push_back(value);
                sizes.push_back(of_argument[1]);
                char** pointer = (char**)malloc(sizeof(char*));
                *pointer = value;
                value = (char*)pointer;
            }
            values.push_back(value);
        }
        if (kernels[header[0]](&launch, (void**)values.data())) {
            fprintf(stderr, "a barrier that not all threads of a block reach\n");
            return 4;
        }
        for (size_t n = 0; n < arrays.size(); ++n)
            fwrite(arrays[n], 1, sizes[n], out);
    }
    fclose(out);
    return 0;
}
