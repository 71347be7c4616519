#pragma once

namespace roost::store {

// Models that stay without versions, with a description, tags and aliases of their own; tags of
// versions as rows, so that they can be searched.
inline constexpr const char* kModelRegistrySchema = R"sql(
ALTER TABLE models ADD COLUMN registered INTEGER NOT NULL DEFAULT 0;  -- 1: stays without versions
ALTER TABLE models ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE models ADD COLUMN submitter TEXT NOT NULL DEFAULT '';
ALTER TABLE models ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE models ADD COLUMN updated_at INTEGER NOT NULL DEFAULT 0;
UPDATE models SET
  created_at = ifnull((SELECT min(v.created_at) FROM model_versions v WHERE v.name = models.name), 0),
  updated_at = ifnull((SELECT max(v.updated_at) FROM model_versions v WHERE v.name = models.name), 0),
  submitter = ifnull((SELECT v.submitter FROM model_versions v WHERE v.name = models.name
                      ORDER BY v.version LIMIT 1), '');

CREATE TABLE model_tags(
  name TEXT NOT NULL REFERENCES models(name) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(name, key)
) WITHOUT ROWID;
CREATE INDEX model_tags_by_value ON model_tags(key, value, name);

CREATE TABLE model_version_tags(
  model_version INTEGER NOT NULL REFERENCES model_versions(key) ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY(model_version, key)
) WITHOUT ROWID;
CREATE INDEX model_version_tags_by_value ON model_version_tags(key, value, model_version);
INSERT INTO model_version_tags(model_version, key, value)
  SELECT v.key, t.key, t.value FROM model_versions v, json_each(v.tags) t;
ALTER TABLE model_versions DROP COLUMN tags;

CREATE TABLE model_aliases(
  name TEXT NOT NULL REFERENCES models(name) ON DELETE CASCADE,
  alias TEXT NOT NULL,
  model_version INTEGER NOT NULL REFERENCES model_versions(key) ON DELETE CASCADE,
  PRIMARY KEY(name, alias)
) WITHOUT ROWID;
CREATE INDEX model_aliases_by_version ON model_aliases(model_version, alias);

ALTER TABLE model_versions ADD COLUMN stage TEXT NOT NULL DEFAULT 'None';
ALTER TABLE model_versions ADD COLUMN run_link TEXT NOT NULL DEFAULT '';
-- Where clients fetch the files that `source` names; '' when that is the source itself.
ALTER TABLE model_versions ADD COLUMN location TEXT NOT NULL DEFAULT '';
ALTER TABLE model_versions ADD COLUMN logged_model_id TEXT NOT NULL DEFAULT '';  -- '': none
)sql";

}  // namespace roost::store
