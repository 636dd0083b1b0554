# frozen_string_literal: true

# Ruby's pg: statements with names, which count up for each client.

require_relative "loop"

class Pg
  def initialize
    @connections = {}
    @names = {}
    @running = {}
  end

  def hello(_request) = %w[copy copy_failed batch listen cancel nested]

  def open(request)
    @names[request["client"]] = {}
    @connections[request["client"]] = PG.connect(ENV.fetch("DATABASE_URL"))
    nil
  end

  def reset(_request)
    @connections.each_value { |connection| connection.close unless connection.finished? }
    @connections.clear
    nil
  end

  def drop(request)
    # Without the message that says goodbye.
    @connections.delete(request["client"]).socket_io.shutdown
    nil
  end

  def query(request)
    names = @names[request["client"]]
    sql = request["sql"]
    name = names[sql] || "statement #{names.size}"
    connection = @connections[request["client"]]
    connection.prepare(name, sql) unless names.key?(sql)
    names[sql] = name
    connection.exec_prepared(name, request["parameters"]).values
  end

  def simple(request) = @connections[request["client"]].exec(request["sql"]).values

  def begin(request) = simple(request.merge("sql" => "begin"))

  def commit(request) = simple(request.merge("sql" => "commit"))

  def rollback(request) = simple(request.merge("sql" => "rollback"))

  def nested(request)
    connection = @connections[request["client"]]
    connection.transaction do
      connection.exec_params("insert into account values ($1, 'outer')", [request["key"]])
      connection.exec("savepoint inner_one")
      begin
        connection.exec_params("insert into account values ($1, 'inner')", [request["key"]])
      rescue PG::UniqueViolation
        connection.exec("rollback to savepoint inner_one")
      end
      connection.exec_params("update account set name = name || '!' where id = $1", [request["key"]])
    end
    connection.exec_params("select name from account where id = $1", [request["key"]]).values
  end

  # libpq's pipeline mode.
  def batch(request)
    connection = @connections[request["client"]]
    connection.enter_pipeline_mode
    request["statements"].each { |sql, parameters| connection.send_query_params(sql, parameters) }
    connection.pipeline_sync
    results, failure = read_pipeline(connection)
    connection.exit_pipeline_mode
    raise failure if failure

    results
  end

  def copy_in(request)
    connection = @connections[request["client"]]
    connection.copy_data(request["sql"]) { connection.put_copy_data(request["data"]) }
    nil
  end

  def copy_out(request)
    connection = @connections[request["client"]]
    data = +""
    connection.copy_data(request["sql"]) do
      while (line = connection.get_copy_data)
        data << line
      end
    end
    data
  end

  def listen(request) = simple(request.merge("sql" => "listen #{request['channel']}"))

  def unlisten(request) = simple(request.merge("sql" => "unlisten #{request['channel']}"))

  def notification(request)
    heard = nil
    @connections[request["client"]].wait_for_notify(5) { |channel, _pid, payload| heard = [channel, payload] }
    heard || "nothing"
  end

  def start(request)
    @connections[request["client"]].send_query(request["sql"])
    nil
  end

  def cancel(request) = @connections[request["client"]].cancel

  def wait(request) = @connections[request["client"]].get_last_result.values

  private

  def read_pipeline(connection)
    results = []
    failure = nil
    loop do
      result = connection.get_result
      next if result.nil?
      break if result.result_status == PG::PGRES_PIPELINE_SYNC

      begin
        result.check
        results << result.values unless result.result_status == PG::PGRES_PIPELINE_ABORTED
      rescue PG::Error => e
        failure ||= e
      end
    end
    [results, failure]
  end
end

serve(Pg.new)
