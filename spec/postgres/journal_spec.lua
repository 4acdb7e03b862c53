-- The specs of journals, over a store in PostgreSQL.
local stores = require("spec.support.stores")

stores.use_postgresql()
teardown(stores.stop)
for _, name in ipairs { "journal", "journal_creates", "journal_runs" } do
    assert(loadfile(("spec/lib/%s_spec.lua"):format(name), "t", _ENV))()
end
