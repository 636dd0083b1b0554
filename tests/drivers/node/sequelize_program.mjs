// Sequelize with pg: one connection for each client.

import { DataTypes, Sequelize } from "sequelize";
import { serve, within } from "./loop.mjs";

const clients = new Map();

async function rows({ client, sql, parameters }) {
  const { sequelize, transaction } = clients.get(client);
  const [found] = await sequelize.query(sql, { bind: parameters, transaction });
  return Array.isArray(found) ? found.map((row) => Object.values(row)) : [];
}

async function finish(client, how) {
  const { transaction } = clients.get(client);
  clients.get(client).transaction = undefined;
  await transaction[how]();
}

await serve({
  can: ["objects", "nested"],
  async open({ client }) {
    const sequelize = new Sequelize(process.env.DATABASE_URL, {
      logging: false, pool: { max: 1, min: 1, idle: 600_000 }, define: { timestamps: false, freezeTableName: true },
    });
    await sequelize.authenticate();
    const account = sequelize.define("account", { id: { type: DataTypes.INTEGER, primaryKey: true }, name: DataTypes.TEXT });
    clients.set(client, { sequelize, account });
  },
  async reset() {
    await Promise.all([...clients.values()].map(({ sequelize }) => within(2, sequelize.close()).catch(() => {})));
    clients.clear();
  },
  drop({ client }) {
    clients.get(client).transaction.connection.connection.stream.destroy();
    clients.delete(client);
  },
  query: rows,
  simple: ({ client, sql }) => rows({ client, sql }),
  async begin({ client }) {
    const entry = clients.get(client);
    entry.transaction = await entry.sequelize.transaction();
  },
  commit: ({ client }) => finish(client, "commit"),
  rollback: ({ client }) => finish(client, "rollback"),
  async objects({ client, key }) {
    const { account } = clients.get(client);
    const made = await account.create({ id: key, name: "created" });
    await made.update({ name: `${made.name}, changed` });
    const found = await account.findAll({ where: { id: [key, 1] }, order: ["id"] });
    await made.destroy();
    return [...found.map(({ id, name }) => [id, name]), await account.count({ where: { id: key } })];
  },
  async nested({ client, key }) {
    const { sequelize, account } = clients.get(client);
    await sequelize.transaction(async (transaction) => {
      await account.create({ id: key, name: "outer" }, { transaction });
      await sequelize
        .transaction({ transaction }, (inner) => account.create({ id: key, name: "inner" }, { transaction: inner }))
        .catch((error) => {
          if (error.name !== "SequelizeUniqueConstraintError") throw error;
        });
      await account.update({ name: "outer!" }, { where: { id: key }, transaction });
    });
    return (await account.findByPk(key)).name;
  },
});
