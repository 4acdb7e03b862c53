-- serve MIRROR LIST: answers each get with the one file, and each list with the other, until it is stopped.
local httpd = require("httpd")

local function content(path)
    local file <close> = assert(io.open(path))
    return file:read "a"
end

local mirror, list = content((...)), content((select(2, ...)))
local server <close> = httpd.listen {
    port = 0,
    handler = function(request)
        local body = request.path:find "mirrors$" and list or mirror
        return { status = 200, headers = { ["Content-Type"] = "application/json" }, body = body }
    end,
}
print("http://127.0.0.1:" .. server:port())
io.stdout:flush()
server:wait()
