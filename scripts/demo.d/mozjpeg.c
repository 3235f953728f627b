// Encodes a photo-like picture with the fastest settings, and decodes it again.
#include <stddef.h>
#include "driver.h"
#include "jpeglib.h"

enum { width = 2048, height = 1536, encodings = 12, decodings = 16 };

// Smooth areas, edges and a little noise from the corpus, in integers only.
static unsigned char *picture(struct bytes corpus) {
    unsigned char *pixels = malloc(3 * width * height), *p = pixels;
    for (unsigned y = 0; y < height; y++) {
        for (unsigned x = 0; x < width; x++) {
            unsigned noise = corpus.data[(y * width + x) % corpus.size] & 15;
            unsigned hill = ((x * x + 3 * y * y) >> 13) & 255;
            unsigned edge = ((x / 96 + y / 64) & 3) * 20;
            *p++ = (unsigned char)((x >> 4) + (y >> 5) + noise + edge / 2);
            *p++ = (unsigned char)((hill > 127 ? 255 - hill : hill) + noise / 2 + edge);
            *p++ = (unsigned char)(255 - (y >> 3) / 2 - noise);
        }
    }
    return pixels;
}

int main(int argc, char **argv) {
    struct bytes corpus = start(argc, argv);
    unsigned char *pixels = picture(corpus);
    USE(jpeg_std_error);
    USE(jpeg_CreateCompress);
    USE(jpeg_c_set_int_param);
    USE(jpeg_mem_dest);
    USE(jpeg_set_defaults);
    USE(jpeg_set_quality);
    USE(jpeg_start_compress);
    USE(jpeg_write_scanlines);
    USE(jpeg_finish_compress);
    USE(jpeg_destroy_compress);
    USE(jpeg_CreateDecompress);
    USE(jpeg_mem_src);
    USE(jpeg_read_header);
    USE(jpeg_start_decompress);
    USE(jpeg_read_scanlines);
    USE(jpeg_finish_decompress);
    USE(jpeg_destroy_decompress);

    struct jpeg_error_mgr errors;
    unsigned char *file = NULL;
    unsigned long size = 0;
    uint64_t sum = 0;
    double begin = cpu_seconds();
    for (int i = 0; i < encodings; i++) {
        struct jpeg_compress_struct c;
        memset(&c, 0, sizeof c);
        c.err = my_jpeg_std_error(&errors);
        my_jpeg_CreateCompress(&c, JPEG_LIB_VERSION, sizeof c);
        free(file);
        file = NULL;
        my_jpeg_mem_dest(&c, &file, &size);
        c.image_width = width;
        c.image_height = height;
        c.input_components = 3;
        c.in_color_space = JCS_RGB;
        my_jpeg_c_set_int_param(&c, JINT_COMPRESS_PROFILE, JCP_FASTEST);
        my_jpeg_set_defaults(&c);
        my_jpeg_set_quality(&c, 60 + 2 * i, TRUE);
        c.dct_method = JDCT_FASTEST;
        my_jpeg_start_compress(&c, TRUE);
        while (c.next_scanline < height) {
            JSAMPROW rows[16];
            unsigned n = 0;
            for (; n < 16 && c.next_scanline + n < height; n++) rows[n] = pixels + 3 * width * (size_t)(c.next_scanline + n);
            my_jpeg_write_scanlines(&c, rows, n);
        }
        my_jpeg_finish_compress(&c);
        my_jpeg_destroy_compress(&c);
        sum = checksum(sum, file, size);
    }
    report("fast-encode", cpu_seconds() - begin, sum);

    unsigned char *row = malloc(3 * width);
    begin = cpu_seconds();
    for (int i = 0; i < decodings; i++) {
        struct jpeg_decompress_struct d;
        memset(&d, 0, sizeof d);
        d.err = my_jpeg_std_error(&errors);
        my_jpeg_CreateDecompress(&d, JPEG_LIB_VERSION, sizeof d);
        my_jpeg_mem_src(&d, file, size);
        my_jpeg_read_header(&d, TRUE);
        my_jpeg_start_decompress(&d);
        while (d.output_scanline < height) {
            my_jpeg_read_scanlines(&d, &row, 1);
            if (i == 0) sum = checksum(sum, row, 3 * width);
        }
        my_jpeg_finish_decompress(&d);
        my_jpeg_destroy_decompress(&d);
    }
    report("decode", cpu_seconds() - begin, sum);
    return 0;
}
