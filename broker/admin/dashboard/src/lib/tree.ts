// Topics as a tree of their levels. Pure.

export interface Branch<T> {
  level: string;
  topic: string; // to here
  leaf: T | null;
  count: number; // leaves in it
  branches: Branch<T>[];
}

export function treeOf<T extends { topic: string }>(items: T[]): Branch<T> {
  const root: Branch<T> = { level: "", topic: "", leaf: null, count: 0, branches: [] };
  const index = new Map<string, Branch<T>>();
  for (const item of items) {
    let branch = root;
    branch.count += 1;
    let topic = "";
    for (const [depth, level] of item.topic.split("/").entries()) {
      topic = depth === 0 ? level : `${topic}/${level}`;
      const key = `${depth} ${topic}`; // "a" and "/a" differ by depth alone at times
      let next = index.get(key);
      if (!next) {
        next = { level, topic, leaf: null, count: 0, branches: [] };
        index.set(key, next);
        branch.branches.push(next);
      }
      next.count += 1;
      branch = next;
    }
    branch.leaf = item;
  }
  return root;
}
