-- network: what the environment says of the way to the server, as curl takes it: a proxy, and whom to trust.
local native, new_error = ...

local network = {}

local function invalid(message, ...)
    error(new_error("invalid", message:format(...)), 0)
end

local function variable(name)
    local value = os.getenv(name)
    return value ~= "" and value or nil
end

---What the URL of a proxy must be, for messages. One that is refused is not shown: it may hold a password.
network.PROXY_FORM = "the URL of a proxy, http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, in whose password "
    .. "characters such as @ : / ? # % are written %40 %3A %2F %3F %23 %25"

local function is_exempt(host)
    for entry in (variable("no_proxy") or variable("NO_PROXY") or ""):gmatch("[^,%s]+") do
        local name = entry:lower():gsub("^%.", "")
        if entry == "*" or host == name or host:sub(-#name - 1) == "." .. name then return true end
    end
    return false
end

-- The order is libcurl's, for https.
local proxy_variables = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" }

---The variable whose proxy requests to an endpoint go through, if any.
---@param endpoint string
---@return string?
---Raises `invalid` for a proxy that cannot be used.
function network.proxy_variable(endpoint)
    local host = endpoint:lower():match("^https://([^/:]+)") or ""
    if native.url_is_local(endpoint) or is_exempt(host) then return nil end
    for _, name in ipairs(proxy_variables) do
        local url = variable(name)
        if url and not native.proxy_allowed(url) then
            invalid("the environment: %s must be %s; it is something else (not shown). Correct it, or unset it", name,
                network.PROXY_FORM)
        elseif url then
            return name
        end
    end
end

---Why a file cannot be read, if so: a folder can be opened.
---@param path string
---@return string?
function network.unreadable(path)
    local file <close>, problem = io.open(path)
    if not file then return problem end
    local _, why = file:read(1)
    return why and path .. ": " .. why
end

local function readable(name)
    local path = variable(name)
    local problem = path and network.unreadable(path)
    if problem then
        invalid("the environment: %s must be the name of a readable file with CA certificates: %s", name, problem)
    end
    return path
end

-- Where systems keep the CA certificates that they trust: Debian, whose libcurl may be used elsewhere, too; Fedora and
-- its like, twice; SUSE; Alpine and the BSDs.
local bundles = {
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem",
}

-- The system's, where that is not Debian: there libcurl finds them by itself.
local function of_system()
    for i, path in ipairs(bundles) do
        if not network.unreadable(path) then return i > 1 and path or nil end
    end
end

---The CA certificates that the environment names, or those of the system where libcurl would not find them.
---@return string? file PEM
---@return string? folder
---Raises `invalid` for a file that the environment names and that cannot be read.
function network.certificates()
    local bundle = readable("CURL_CA_BUNDLE")
    if bundle then return bundle end
    local file, folder = readable("SSL_CERT_FILE"), variable("SSL_CERT_DIR")
    if file or folder then return file, folder end
    return of_system()
end

return network
