--- support.certificates(): a throw-away certificate authority and what it signed, as files; made once a run.

---@class support.certificates
---@field ca string the authority's certificate
---@field other_ca string that of another authority
---@field good table<string, string> { certificate =, key = } for localhost and 127.0.0.1
---@field expired table<string, string>
---@field wrong_host table<string, string> for example.org
---@field unknown table<string, string> for localhost, by the other authority
---@field client table<string, string> for a client

return function(support)
    local made

    local function openssl(arguments)
        local log = support.temporary("openssl.log")
        if not os.execute(("openssl %s > %s 2>&1 < /dev/null"):format(arguments, log)) then
            error("openssl " .. arguments .. " failed: " .. support.read(log))
        end
    end

    local NEW_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"

    local function authority(directory, name)
        openssl(("req -x509 %s -days 2 -subj '/CN=%s' -keyout %s/%s.key -out %s/%s.pem"):format(
            NEW_KEY, name, directory, name, directory, name))
        return ("%s/%s.pem"):format(directory, name)
    end

    local function signed(directory, name, by, names, days)
        local file = directory .. "/" .. name
        local extensions = support.write(file .. ".ext", "subjectAltName=" .. names .. "\n")
        openssl(("req -new %s -subj '/CN=%s' -keyout %s.key -out %s.csr"):format(NEW_KEY, name, file, file))
        openssl(("x509 -req -in %s.csr -out %s.pem -CA %s/%s.pem -CAkey %s/%s.key -CAcreateserial"
            .. " -days %d -extfile %s"):format(file, file, directory, by, directory, by, days, extensions))
        return { certificate = file .. ".pem", key = file .. ".key" }
    end

    ---@return support.certificates
    return function()
        if made then return made end
        local directory = support.temporary_directory("certificates")
        made = { ca = authority(directory, "ca"), other_ca = authority(directory, "other-ca") }
        local here = "DNS:localhost,IP:127.0.0.1"
        made.good = signed(directory, "good", "ca", here, 1)
        made.expired = signed(directory, "expired", "ca", here, -1)
        made.wrong_host = signed(directory, "wrong-host", "ca", "DNS:example.org", 1)
        made.unknown = signed(directory, "unknown", "other-ca", here, 1)
        made.client = signed(directory, "client", "ca", "DNS:client", 1)
        return made
    end
end
