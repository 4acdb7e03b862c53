--- rollout: new topics regexes for mirrors: which ones get what, what that comes to, and doing it.

return {
    plan = require("kmirror.rollout.plan"),
    preview = require("kmirror.rollout.preview"),
    run = require("kmirror.rollout.run"),
    saved = require("kmirror.rollout.saved"),
}
