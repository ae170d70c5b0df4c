import type { Json, Settings } from '../model/facts.js';

/** Values of inspections, as settings have them. Pure. */

export type Fields = Record<string, unknown>;

export function prefixed(kind: string, settings: Fields): Fields {
  return Object.fromEntries(Object.entries(settings).map(([key, value]) => [`${kind}.${key}`, value]));
}

/** Nothing, zero, false and empty lists are what a setting has by itself. Empty texts count in environments and labels. */
export function dropDefaults(settings: Fields): Settings {
  const kept: Settings = {};
  for (const [key, value] of Object.entries(settings)) {
    const counts = key.startsWith('environment.') || key.startsWith('label.') || key.startsWith('network.');
    if (value === undefined || value === null) continue;
    if (!counts && isDefault(value)) continue;
    kept[key] = toJson(value);
  }
  return kept;
}

function isDefault(value: unknown): boolean {
  if (value === 0 || value === false || value === '') return true;
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

function toJson(value: unknown): Json {
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, toJson(one)]));
  }
  const isScalar = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  return isScalar ? value : null;
}

export function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

export function records(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(fields) : [];
}

export function strings(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
}

export const isEmptyList = (value: unknown) => Array.isArray(value) && value.length === 0;
export const sorted = (values: string[]) => [...new Set(values)].toSorted();
export const text = (value: unknown) =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : '';
