# frozen_string_literal: true

# The loop of a driver's program: requests on standard input, answers on standard output. ../README.md lists them.

require "json"
require "pg"

# The SQLSTATE, also where an error wraps another.
def sqlstate(error)
  while error
    state = error.result&.error_field(PG::Result::PG_DIAG_SQLSTATE) if error.respond_to?(:result) && error.result.is_a?(PG::Result)
    return state if state

    error = error.cause
  end
end

def answer(driver, request)
  { result: driver.public_send(request["op"], request) }
rescue StandardError => e
  { error: sqlstate(e) || e.class.name, message: e.message[0, 300] }
end

def serve(driver)
  $stdout.sync = true
  $stdin.each_line { |line| puts JSON.generate(answer(driver, JSON.parse(line))) }
end
