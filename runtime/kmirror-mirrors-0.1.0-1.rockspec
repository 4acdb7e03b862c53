-- The `mirrors` module alone, for stock Lua 5.4. In a checkout:
--
--     luarocks --lua-version 5.4 make runtime/kmirror-mirrors-0.1.0-1.rockspec
--
-- It needs what `make deps` installs; make says so when it is missing.
rockspec_format = "3.0"
package = "kmirror-mirrors"
version = "0.1.0-1"
source = {
    url = "git+file://.", -- it is made from a checkout
}
description = {
    summary = "Kafka mirrors through the Instaclustr mirroring API",
    detailed = [[
Lists, creates, reads, deletes and retunes the mirrors of a Kafka Connect cluster, within the account's rate limit;
retries what may safely be sent again, and never sends a create blindly twice.]],
    license = "MIT",
}
supported_platforms = { "linux" }
dependencies = {
    "lua >= 5.4, < 5.5",
}
build = {
    type = "make",
    build_target = "module",
    build_variables = {
        BUILD = "build/rock",
    },
    install_target = "install-module",
    install_variables = {
        BUILD = "build/rock",
        LUA_CDIR = "$(LIBDIR)",
    },
}
