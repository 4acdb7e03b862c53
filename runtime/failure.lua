-- failure: what an error object of the mirrors module says beside what the answer said: a hint, and no secret.

-- What to do about it, where that is known.
local hints = {
    unauthorized = "check KMIRROR_USERNAME and KMIRROR_API_KEY: it takes a provisioning API key",
    tls = "is the endpoint right? A private CA goes into ca_file",
}

local function hint_for(e)
    if e.kind == "forbidden" and e.operation ~= "list" and e.operation ~= "get" then
        return not e.message:find("read-only", 1, true) and "is the API key read-only?" or nil
    elseif e.kind == "not_found" then
        return e.id and "is it on this cluster, and not deleted yet?"
            or "is this the id of the Kafka Connect cluster, not of the Kafka cluster?"
    elseif e.kind == "rate_limited" then
        return "another client uses this account, or its limit is lower: try a lower rate"
    elseif e.kind == "transport" and not e.status then
        return "is the endpoint right and within reach?"
    end
    return hints[e.kind]
end

-- The text without any of the secrets, should the server have sent one back.
local function redact(text, secrets)
    for _, secret in ipairs(secrets) do
        local from, to = text:find(secret, 1, true)
        while from do
            text = text:sub(1, from - 1) .. "[hidden]" .. text:sub(to + 1)
            from, to = text:find(secret, from + 8, true)
        end
    end
    return text
end

local function redact_all(value, secrets)
    if type(value) == "string" then return redact(value, secrets) end
    if type(value) == "table" then
        for key, inner in pairs(value) do value[key] = redact_all(inner, secrets) end
    end
    return value
end

-- Passwords are a few characters at least; shorter values would hide ordinary words.
local SHORTEST_SECRET = 4

local function secrets_in(properties)
    local secrets = { properties }
    for value in properties:gmatch("[=:]%s*([^\r\n]+)") do secrets[#secrets + 1] = value end
    for value in properties:gmatch("=%s*\"([^\"]+)\"") do secrets[#secrets + 1] = value end
    for value in properties:gmatch("=%s*'([^']+)'") do secrets[#secrets + 1] = value end
    return secrets
end

-- Longest first, so that no part of one is left when another is hidden.
local function secrets_of(account, spec)
    local secrets = { account.secret() }
    if spec and type(spec.sourceConnectionProperties) == "string" then
        for _, secret in ipairs(secrets_in(spec.sourceConnectionProperties)) do
            if #secret >= SHORTEST_SECRET then secrets[#secrets + 1] = secret end
        end
    end
    table.sort(secrets, function(a, b) return #a > #b end)
    return secrets
end

---Completes the error object of a call's last attempt.
---@param call table
---@param e mirrors.Error
---@return mirrors.Error
return function(call, e)
    e.operation, e.cluster, e.id, e.attempts = call.operation, call.cluster, call.id, call.attempts
    local secrets = secrets_of(call.account, call.spec)
    e.message, e.details = redact(e.message, secrets), redact_all(e.details, secrets)
    local hint = hint_for(e)
    if hint then e.message = ("%s (%s)"):format(e.message, hint) end
    return e
end
