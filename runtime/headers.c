#include "headers.h"

#include "base64.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- the user ---- */

static void forget(char *secret) {
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

/* NULL when memory is short. */
static char *authorization(const char *username, const char *password) {
    static const char start[] = "Authorization: Basic ";
    size_t length = strlen(username) + 1 + strlen(password);
    char *pair = calloc(1, length + 1), *header = malloc(sizeof start + BASE64_SIZE(length));
    if (pair != NULL && header != NULL) {
        snprintf(pair, length + 1, "%s:%s", username, password);
        memcpy(header, start, sizeof start);
        base64_write(header + sizeof start - 1, pair, length);
    } else {
        free(header);
        header = NULL;
    }
    forget(pair);
    return header;
}

/* ---- the lists ---- */

static bool add(struct curl_slist **list, const char *header) {
    struct curl_slist *longer = header == NULL ? NULL : curl_slist_append(*list, header);
    if (longer != NULL)
        *list = longer;
    return longer != NULL;
}

static bool add_user(struct curl_slist **list, const char *username, const char *password) {
    if (username == NULL)
        return true;
    char *header = authorization(username, password == NULL ? "" : password);
    bool ok = add(list, header);
    forget(header);
    return ok;
}

static bool add_all(struct curl_slist **list, const char *const *more) {
    bool ok = true;
    for (; ok && more != NULL && *more != NULL; more++)
        ok = add(list, *more);
    return ok;
}

/* Unless there is one of that name. */
static bool add_default(struct curl_slist **list, const char *header) {
    size_t name = strcspn(header, ":") + 1;
    for (const struct curl_slist *each = *list; each != NULL; each = each->next)
        if (strncasecmp(each->data, header, name) == 0)
            return true;
    return add(list, header);
}

/* What each request to the server has. */
static bool add_common(struct curl_slist **list, const char *agent, const char *username, const char *password,
                       const char *const *more) {
    return add_user(list, username, password) && add_all(list, more) && add_default(list, agent) &&
           add(list, "Accept-Encoding: " HEADERS_ENCODING) && add_default(list, "Accept: application/json");
}

bool headers_make(headers *h, const char *user_agent, const char *username, const char *password,
                  const char *const *more) {
    char agent[128];
    snprintf(agent, sizeof agent, "User-Agent: %s", user_agent);
    return add(&h->to_proxy, agent) && add_common(&h->plain, agent, username, password, more) &&
           add_common(&h->with_body, agent, username, password, more) &&
           add_default(&h->with_body, "Content-Type: application/json") && add(&h->with_body, "Expect:");
}

static void free_list(struct curl_slist *list) {
    for (struct curl_slist *each = list; each != NULL; each = each->next)
        explicit_bzero(each->data, strlen(each->data));
    curl_slist_free_all(list);
}

void headers_free(headers *h) {
    free_list(h->plain);
    free_list(h->with_body);
    free_list(h->to_proxy);
    *h = (headers){.plain = NULL};
}
