# frozen_string_literal: true

# Active Record: a connection of its own for each client, with statements that it names a1, a2 …; `unprepared` has none.

require "active_record"
require_relative "loop"

CLIENTS = 4
PREPARED = ARGV[0] != "unprepared"

# One class for each client, because classes have the connections.
BASES = Array.new(CLIENTS) do |number|
  base = Class.new(ActiveRecord::Base) { self.abstract_class = true }
  Object.const_set("Client#{number}", base)
  base
end
ACCOUNTS = BASES.map.with_index do |base, number|
  Object.const_set("Account#{number}", Class.new(base) { self.table_name = "account" })
end

class Records
  def initialize
    @transactions = {}
  end

  def hello(_request) = %w[objects nested]

  def open(request)
    BASES[request["client"]].establish_connection(
      adapter: "postgresql", host: ENV.fetch("PGHOST"), port: ENV.fetch("PGPORT"), database: ENV.fetch("PGDATABASE"),
      username: ENV.fetch("PGUSER"), password: ENV.fetch("PGPASSWORD"), prepared_statements: PREPARED, pool: 1
    )
    connection(request).execute("select 1")
    nil
  end

  def reset(_request)
    BASES.each { |base| base.remove_connection if base.connection_specification_name == base.name }
    nil
  end

  def drop(request)
    connection(request).raw_connection.socket_io.shutdown
    connection(request).disconnect!
    nil
  end

  def query(request)
    binds = request["parameters"].map { |value| ActiveRecord::Relation::QueryAttribute.new("p", value, ActiveModel::Type::Value.new) }
    connection(request).exec_query(request["sql"], "SQL", binds, prepare: PREPARED).rows
  end

  def simple(request) = connection(request).execute(request["sql"]).values

  def begin(request)
    connection(request).begin_transaction(joinable: false, _lazy: false)
    nil
  end

  def commit(request)
    connection(request).commit_transaction
    nil
  end

  def rollback(request)
    connection(request).rollback_transaction
    nil
  end

  def objects(request)
    accounts = ACCOUNTS[request["client"]]
    account = accounts.create!(id: request["key"], name: "created")
    account.update!(name: "#{accounts.find(request['key']).name}, changed")
    found = accounts.where(id: [request["key"], 1]).order(:id).pluck(:id, :name)
    account.destroy!
    [found, accounts.where(id: request["key"]).count]
  end

  def nested(request)
    accounts = ACCOUNTS[request["client"]]
    accounts.transaction do
      accounts.create!(id: request["key"], name: "outer")
      begin
        accounts.transaction(requires_new: true) { accounts.create!(id: request["key"], name: "inner") }
      rescue ActiveRecord::RecordNotUnique
        nil
      end
      accounts.where(id: request["key"]).update_all(name: "outer!")
    end
    accounts.find(request["key"]).name
  end

  private

  def connection(request) = BASES[request["client"]].connection
end

serve(Records.new)
