/** Files that were dropped, with those of dropped folders. */

/**
 * @param {DataTransfer} transfer
 * @returns {Promise<[string, File][]>} files with their paths.
 */
export async function dropped(transfer) {
  // Entries are gone after the first wait: they are taken at once.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => [file.name, file]);
  return (await Promise.all(entries.map(files))).flat();
}

async function files(entry) {
  const wait = (call) => new Promise((done, failed) => call.call(entry, done, failed));
  if (entry.isFile) return [[entry.fullPath.replace(/^\//, ""), await wait(entry.file)]];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return (await Promise.all(found.map(files))).flat();
    found.push(...some);
  }
}
