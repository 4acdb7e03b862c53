#include "probe.h"

#include "ending.h"
#include "scheduler.h"

#include <curl/curl.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

/* What is asked of libcurl in one visit. The URL and the file are Lua's. */
typedef struct visit {
    const char *url, *ca_file, *ca_dir;
    double timeout;
    bool direct; /* through no proxy, whatever the environment says */
    char error[CURL_ERROR_SIZE];
} visit;

static size_t ignore(char *data, size_t size, size_t count, void *owner) {
    (void)data, (void)owner;
    return size * count;
}

static int interrupted(void *owner, curl_off_t all, curl_off_t done, curl_off_t all_up, curl_off_t done_up) {
    (void)owner, (void)all, (void)done, (void)all_up, (void)done_up;
    return task_interrupted();
}

/* A HEAD request without credentials; what is answered to it does not matter. */
static CURLcode go(CURL *e, visit *v) {
    curl_easy_setopt(e, CURLOPT_URL, v->url);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(e, CURLOPT_CERTINFO, 1L);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)(v->timeout * 1000));
    curl_easy_setopt(e, CURLOPT_USERAGENT, "kmirror/" KMIRROR_VERSION);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, v->error);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, ignore);
    curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, interrupted);
    curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
    if (v->ca_file != NULL)
        curl_easy_setopt(e, CURLOPT_CAINFO, v->ca_file);
    if (v->ca_dir != NULL)
        curl_easy_setopt(e, CURLOPT_CAPATH, v->ca_dir);
    if (v->direct)
        curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
    return curl_easy_perform(e);
}

static double seconds(CURL *e, CURLINFO what) {
    curl_off_t microseconds = 0;
    curl_easy_getinfo(e, what, &microseconds);
    return (double)microseconds / 1e6;
}

static bool is_about_tls(CURLcode code) {
    return code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CIPHER ||
           code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_ISSUER_ERROR || code == CURLE_SSL_INVALIDCERTSTATUS;
}

/* What a proxy answered when it was asked for a tunnel; 0 when there is none. */
static long tunnel_status(CURL *e) {
    long status = 0;
    curl_easy_getinfo(e, CURLINFO_HTTP_CONNECTCODE, &status);
    return status;
}

/* How far it got: what went wrong, if anything did, went wrong there. */
static const char *stage_of(CURL *e, CURLcode code) {
    if (code == CURLE_COULDNT_RESOLVE_PROXY || tunnel_status(e) / 100 > 2)
        return "proxy";
    if (is_about_tls(code))
        return "tls";
    if (code == CURLE_COULDNT_RESOLVE_HOST || seconds(e, CURLINFO_NAMELOOKUP_TIME_T) <= 0)
        return "dns";
    if (code == CURLE_COULDNT_CONNECT || seconds(e, CURLINFO_CONNECT_TIME_T) <= 0)
        return "connect";
    char *scheme = NULL;
    curl_easy_getinfo(e, CURLINFO_SCHEME, &scheme);
    if (scheme != NULL && strcasecmp(scheme, "https") == 0 && seconds(e, CURLINFO_APPCONNECT_TIME_T) <= 0)
        return "tls";
    return "http";
}

/* Seconds since the epoch at which the server's certificate expires; -1 when unknown. */
static time_t expiry(CURL *e) {
    static const char label[] = "Expire date:";
    struct curl_certinfo *chain = NULL;
    if (curl_easy_getinfo(e, CURLINFO_CERTINFO, &chain) != CURLE_OK || chain == NULL || chain->num_of_certs == 0)
        return -1;
    for (struct curl_slist *line = chain->certinfo[0]; line != NULL; line = line->next)
        if (strncmp(line->data, label, sizeof label - 1) == 0)
            return curl_getdate(line->data + sizeof label - 1, NULL);
    return -1;
}

static time_t date(CURL *e) {
    struct curl_header *header;
    if (curl_easy_header(e, "Date", 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return -1;
    return curl_getdate(header->value, NULL);
}

static void set_time(lua_State *L, const char *name, time_t value) {
    if (value < 0)
        return;
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *value) {
    if (value == NULL || value[0] == '\0')
        return;
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, double value) {
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

static void tell(lua_State *L, CURL *e, CURLcode code, visit *v) {
    long status = 0;
    char *address = NULL;
    lua_newtable(L);
    set_text(L, "stage", stage_of(e, code));
    if (code != CURLE_OK)
        set_text(L, "reason", ending_reason(e, code, false, v->url, v->error));
    curl_easy_getinfo(e, CURLINFO_PRIMARY_IP, &address);
    set_text(L, "address", address);
    lua_pushboolean(L, tunnel_status(e) != 0);
    lua_setfield(L, -2, "proxied");
    curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &status);
    lua_pushinteger(L, status);
    lua_setfield(L, -2, "status");
    set_number(L, "name_seconds", seconds(e, CURLINFO_NAMELOOKUP_TIME_T));
    set_number(L, "connect_seconds", seconds(e, CURLINFO_CONNECT_TIME_T));
    set_number(L, "tls_seconds", seconds(e, CURLINFO_APPCONNECT_TIME_T));
    set_time(L, "date", date(e));
    set_time(L, "expires", expiry(e));
}

/* The handle goes when the visit ends, however it ends. */
static int close_handle(lua_State *L) {
    CURL **e = lua_touserdata(L, 1);
    curl_easy_cleanup(*e);
    *e = NULL;
    return 0;
}

static CURL **push_handle(lua_State *L) {
    CURL **e = lua_newuserdatauv(L, sizeof *e, 0);
    *e = NULL;
    if (luaL_newmetatable(L, "probe.handle")) {
        lua_pushcfunction(L, close_handle);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    *e = curl_easy_init();
    return e;
}

/* visit(URL, seconds, CA file | nil, folder of CAs | nil, through no proxy) -> { stage =
 * "dns"|"proxy"|"connect"|"tls"|"http", reason when it failed there, address (the proxy's, if it was proxied), proxied,
 * status, name_seconds, connect_seconds, tls_seconds (each from the beginning), date, expires (each in seconds since
 * the epoch; nil when not told) }. Blocks; Ctrl-C ends it. */
static int visit_server(lua_State *L) {
    visit v = {.url = luaL_checkstring(L, 1),
               .timeout = luaL_checknumber(L, 2),
               .ca_file = luaL_optstring(L, 3, NULL),
               .ca_dir = luaL_optstring(L, 4, NULL),
               .direct = lua_toboolean(L, 5)};
    CURL **e = push_handle(L);
    if (*e == NULL)
        return luaL_error(L, "not enough memory");
    CURLcode code = go(*e, &v);
    tell(L, *e, code, &v);
    curl_easy_cleanup(*e);
    *e = NULL;
    return 1;
}

int luaopen_probe(lua_State *L) {
    static const luaL_Reg functions[] = {{"visit", visit_server}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
