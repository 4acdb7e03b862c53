/* bare URL COUNT CONNECTIONS [CA_FILE]: gets with libcurl's multi interface and nothing else: what is received is
 * counted, not looked at. By HTTP/1.1, as kmirror. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static size_t count_bytes(char *data, size_t size, size_t count, void *total) {
    (void)data;
    *(size_t *)total += size * count;
    return size * count;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static CURL *new_get(const char *url, const char *ca_file, size_t *bytes) {
    CURL *e = curl_easy_init();
    curl_easy_setopt(e, CURLOPT_URL, url);
    curl_easy_setopt(e, CURLOPT_USERPWD, getenv("BENCH_USER"));
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, count_bytes);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, bytes);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    if (ca_file != NULL)
        curl_easy_setopt(e, CURLOPT_CAINFO, ca_file);
    return e;
}

/* True when it was answered with 200. */
static int answered(const CURLMsg *message) {
    long status = 0;
    curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
    if (message->data.result == CURLE_OK && status == 200)
        return 1;
    fprintf(stderr, "bare: %s, status %ld\n", curl_easy_strerror(message->data.result), status);
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 4)
        return 2;
    int total = atoi(argv[2]), connections = atoi(argv[3]), started = 0, done = 0, running, left;
    const char *ca_file = argc > 4 ? argv[4] : NULL;
    size_t bytes = 0;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURLM *m = curl_multi_init();
    double began = now();
    for (; started < connections && started < total; started++)
        curl_multi_add_handle(m, new_get(argv[1], ca_file, &bytes));
    while (done < total) {
        curl_multi_perform(m, &running);
        for (CURLMsg *message; (message = curl_multi_info_read(m, &left)) != NULL; done++) {
            CURL *e = message->easy_handle;
            if (!answered(message))
                return 1;
            curl_multi_remove_handle(m, e);
            if (started < total) {
                started++;
                curl_multi_add_handle(m, e);
            } else {
                curl_easy_cleanup(e);
            }
        }
        if (done < total)
            curl_multi_poll(m, NULL, 0, 1000, NULL);
    }
    printf("seconds %.6f\nbytes %zu\n", now() - began, bytes);
    curl_multi_cleanup(m);
    curl_global_cleanup();
    return 0;
}
